"""Ctrl-C as a flag: the first asks the turn to stop in good order, the second ends the command at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType


class Interrupts:
    """While entered, SIGINT sets `cancelled`. Only the main thread may enter it."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self._waiting = False

    def __enter__(self) -> Interrupts:
        self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._before)

    def read_line(self) -> str:
        """A line from the person on standard input; empty where the input ended or Ctrl-C was pressed."""
        self._waiting = True
        try:
            return input()
        except (EOFError, KeyboardInterrupt):
            return ""
        finally:
            self._waiting = False

    def _handle(self, _signal: int, _frame: FrameType | None) -> None:
        again = self.cancelled.is_set()
        self.cancelled.set()
        if again or self._waiting:  # a blocked read goes on after a handler that returns
            raise KeyboardInterrupt
