"""An exclusive lock on a file among processes, waited for no longer than a call may take."""

from __future__ import annotations

import fcntl
import time
from typing import IO, Any

from agent.tools.lib.time_limit import check_time

WAIT_S = 10.0
"""Seconds to wait for another process that holds the lock."""
POLL_S = 0.01
"""Seconds between two tries."""


def lock(file: IO[Any]) -> None:
    """Lock an open file until it is closed.

    Raise OSError where another process holds the lock for longer than `WAIT_S`.
    """
    until = time.monotonic() + WAIT_S
    while True:
        check_time()
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(POLL_S)
