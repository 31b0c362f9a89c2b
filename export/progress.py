"""How far long work is, told once in a while."""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY_S = 5.0


class Ticker:
    """Passes a line on to `say` where the last one is `EVERY_S` seconds old."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._told = time.monotonic()

    def __call__(self, line: str) -> None:
        if time.monotonic() - self._told > EVERY_S:
            self._told = time.monotonic()
            self._say(line)
