"""Whether models fit into memory, before they are loaded."""

from __future__ import annotations

import os
from pathlib import Path

from agent.errors import EngineError


def available_bytes() -> int | None:
    """Memory that a new process could take, caches of files included; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, OSError, ValueError):
            return None
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii").strip()
        return min(free, max(0, int(limit) - int(used)))
    except (OSError, ValueError):
        return free


def require_memory(needed: int, what: str, free: int | None) -> None:
    """Raise EngineError with the numbers where `what` needs more bytes than are `free`."""
    if free is not None and needed > free:
        raise EngineError(
            f"{what} need {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are available",
            "close other programs, or pick smaller models",
        )
