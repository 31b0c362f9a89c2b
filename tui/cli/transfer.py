"""How far a download is: a live line where stderr is a terminal, else a line for each finished file."""

from __future__ import annotations

import time
from typing import TextIO

from tui.text import one_line, size_text

_CLEAR = "\r\x1b[2K"
_REFRESH_S = 0.2


class Transfer:
    """Tells `out` about the bytes of one file after the other."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._live = out.isatty()
        self._shown_at = 0.0

    def tell(self, file: str, done: int, size: int) -> None:
        """`done` bytes of `size` are here."""
        if done == size:
            self.clear()
            print(f"  {one_line(file)}  {size_text(size)}", file=self._out, flush=True)
        elif self._live and time.monotonic() - self._shown_at > _REFRESH_S:
            self._shown_at = time.monotonic()
            how_far = f"{100 * done // size} %, {size_text(done)} of {size_text(size)}"
            print(f"{_CLEAR}  {one_line(file)}  {how_far}", end="", file=self._out, flush=True)

    def clear(self) -> None:
        """Take the live line away."""
        if self._live:
            print(_CLEAR, end="", file=self._out, flush=True)
