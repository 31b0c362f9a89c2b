"""The processor, its cores, and how much memory is available."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from agent.errors import EngineError

_CGROUP = Path("/sys/fs/cgroup")


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
        limit = int((_CGROUP / "memory.max").read_text(encoding="ascii"))
        used = int((_CGROUP / "memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return free
    return min(free, max(0, limit - used + _given_back()))


def _given_back() -> int:
    """Bytes of the container's use that are copies of files, which the system drops when it needs room."""
    try:
        rows = dict(
            line.split() for line in (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()
        )
        return int(rows["active_file"]) + int(rows["inactive_file"])
    except (OSError, KeyError, ValueError):
        return 0


def require_memory(needed: int, what: str, free: int | None) -> None:
    """Raise EngineError with the numbers where `what` needs more bytes than are `free`."""
    if free is not None and needed > free:
        raise EngineError(
            f"{what} need {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are available",
            "close other programs, or pick smaller models",
        )


def processor_name() -> str:
    """The processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
