"""Standard output and standard error that may be closed or full."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any, TextIO, cast

from agent.errors import UmiError
from tui.ascii import NAME, wants_ascii


class OutputError(UmiError):
    """Standard output is closed, or cannot be written to."""


def prepare_streams() -> None:
    """Let the standard streams write ASCII for what they cannot show, and fail in one line or not at all.

    A descriptor that is closed is opened on the null device: else the next file that is opened would get its
    number, and whatever is printed.
    """
    with contextlib.suppress(OSError):
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(descriptor)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A pipe keeps what is written in it; a terminal shows what it can.
            ascii_only = wants_ascii() and stream.isatty()
            stream.reconfigure(encoding="ascii" if ascii_only else None, errors=NAME)
    if sys.stdout is None or sys.stdout is sys.__stdout__:
        sys.stdout = cast(TextIO, _Output(sys.stdout))
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        sys.stderr = cast(TextIO, _Messages(sys.stderr))


def discard_stdout() -> None:
    """Point standard output at the null device, so that the interpreter's last flush does not fail again."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


class _Stream:
    """A standard stream, or None for one that is closed."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Output(_Stream):
    """Standard output; what cannot be written raises OutputError, a reader that left BrokenPipeError."""

    def write(self, text: str) -> int:
        if self._stream is None:
            raise OutputError("standard output is closed", "redirect it to a file, or to /dev/null")
        try:
            return self._stream.write(text)
        except OSError as error:
            raise _output_error(error) from None

    def flush(self) -> None:
        try:
            if self._stream is not None:
                self._stream.flush()
        except OSError as error:
            raise _output_error(error) from None


class _Messages(_Stream):
    """Standard error; what cannot be written is lost, since a command does not end for its messages."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            if self._stream is not None:
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            if self._stream is not None:
                self._stream.flush()


def _output_error(error: OSError) -> Exception:
    if isinstance(error, BrokenPipeError):
        return error
    reason = error.strerror or str(error)
    return OutputError(f"standard output cannot be written: {reason}", "free space or write elsewhere")
