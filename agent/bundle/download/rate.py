"""A minimum rate of transfers: one that is slower for a minute is ended."""

from __future__ import annotations

import time
from collections.abc import Callable

from agent.errors import UmiError

LOW_BYTES_PER_S = 1_000
"""Minimum rate, in bytes a second: a tenth of that of the slowest mobile networks."""
WINDOW_S = 60.0
"""Length in seconds of the window that the rate is measured over, so that short pauses do not count."""


class RateWatch:
    """Watches the rate of a transfer."""

    def __init__(
        self, what: str, clock: Callable[[], float] = time.monotonic, *, resumes: bool = True
    ) -> None:
        """Begin a window. `what` is being transferred, for the message; a later call `resumes` it or not."""
        self._what = what
        self._again = "what was finished is kept" if resumes else "it begins anew"
        self._clock = clock
        self._since = clock()
        self._before: int | None = None
        """The bytes at the beginning of the window; None before the first look."""

    def check(self, done: int) -> None:
        """Record the number of bytes so far. Raise UmiError if too few arrived in the last window."""
        if self._before is None or done < self._before:  # the server restarted the file
            self._since, self._before = self._clock(), done
        passed = self._clock() - self._since
        if passed < WINDOW_S:
            return
        if done - self._before < LOW_BYTES_PER_S * passed:
            raise UmiError(
                f"{self._what} stopped: {done - self._before} bytes came in {passed:.0f} seconds",
                f"check the connection and give the same command again; {self._again}",
            )
        self._since, self._before = self._clock(), done
