"""What a process takes: resident memory and processor time, of this one or another."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from time import process_time


def resident_mb(pid: int) -> float | None:
    """Return the resident memory of a process in megabytes.

    Where only this process's own is known, return its peak; None where neither is.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return round(int(line.split()[1]) * 1024 / 1e6, 1)
    except (OSError, StopIteration, ValueError):
        pass
    if pid != os.getpid():
        return None
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:
        return None
    peak = getrusage(RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6, 1)


def processor_seconds(pid: int) -> float | None:
    """Return the processor time, of all threads, that a process has taken; None where it is not known."""
    if pid == os.getpid():
        return process_time()
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
        # The name, in brackets, may hold spaces; fields 14 and 15 are the user's and the system's time.
        user, system = status.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None
