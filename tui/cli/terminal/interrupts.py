"""Ctrl-C and SIGTERM: a flag while an agent runs, and the error of a command that can be given again."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

from agent.errors import UmiError

INTERRUPTED = 130
"""What a shell reports for a program that Ctrl-C ended (128 + SIGINT)."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class CommandInterruptedError(UmiError):
    """Ctrl-C stopped a command that goes on where it stopped when it is given again."""

    exit_code = INTERRUPTED

    def __init__(self, hint: str) -> None:
        super().__init__("stopped", hint)


class Interrupts:
    """While entered, the first SIGINT or SIGTERM sets `cancelled`, and a second one raises KeyboardInterrupt.

    Only the main thread may enter it.
    """

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self._reading = False

    def __enter__(self) -> Interrupts:
        self._previous = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def read_line(self) -> str:
        """Return a line of standard input; empty at its end and after a signal."""
        self._reading = True
        try:
            return input()
        except (EOFError, KeyboardInterrupt):
            return ""
        finally:
            self._reading = False

    def _handle(self, _signal: int, _frame: FrameType | None) -> None:
        again = self.cancelled.is_set()
        self.cancelled.set()
        if again or self._reading:  # a blocked read goes on after a handler that returns
            raise KeyboardInterrupt
