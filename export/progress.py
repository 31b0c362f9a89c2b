"""Progress lines, at most one every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

INTERVAL_S = 5.0


class ThrottledProgress:
    """Calls `say` with a line, unless the last one is less than `INTERVAL_S` seconds old."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._last = time.monotonic()

    def __call__(self, line: str) -> None:
        if time.monotonic() - self._last > INTERVAL_S:
            self._last = time.monotonic()
            self._say(line)
