"""The rate of a transfer: one that all but stands still ends, rather than go on for days."""

from __future__ import annotations

import time
from collections.abc import Callable

from agent.errors import UmiError

LOW_BYTES_PER_S = 1_000
"""A tenth of what the slowest mobile networks still give."""
WINDOW_S = 60.0
"""The rate is that of a window of this length; a short pause is no reason to end."""


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
        """Take note of the bytes so far. Raise UmiError where a window has passed with too few of them."""
        if self._before is None or done < self._before:  # the server began the file anew
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
