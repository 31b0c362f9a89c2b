"""Lines and live progress on stderr, tables on stdout."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from tui.text import one_line, size_text

_CLEAR = "\r\x1b[2K"
_REFRESH_S = 0.2


def say(line: str) -> None:
    """Print a line of progress to stderr."""
    print(line, file=sys.stderr, flush=True)


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of cells in columns to stdout."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


class DownloadProgress:
    """Writes the progress of one file after the other to `out`.

    Where `out` is a terminal, a live line is kept up to date; else each finished file is a line.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._live = out.isatty() and os.environ.get("TERM") != "dumb"
        self._shown_at = 0.0

    def update(self, file: str, done: int, size: int) -> None:
        """Show that `done` bytes of `size` have arrived."""
        if done == size:
            self.clear()
            print(f"  {one_line(file)}  {size_text(size)}", file=self._out, flush=True)
        elif self._live and time.monotonic() - self._shown_at > _REFRESH_S:
            self._shown_at = time.monotonic()
            progress = f"{100 * done // size} %, {size_text(done)} of {size_text(size)}"
            print(f"{_CLEAR}  {one_line(file)}  {progress}", end="", file=self._out, flush=True)

    def clear(self) -> None:
        """Erase the live line."""
        if self._live:
            print(_CLEAR, end="", file=self._out, flush=True)
