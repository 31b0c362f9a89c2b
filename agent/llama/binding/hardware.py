"""The hardware of this machine: processor, cores, devices of llama.cpp, available memory."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import sys
from pathlib import Path
from typing import Any

from agent.errors import EngineError

_CGROUP = Path("/sys/fs/cgroup")
_POWER_SUPPLIES = Path("/sys/class/power_supply")


def available_bytes() -> int | None:
    """Return the memory a new process can take, file caches included, in bytes; None where it is unknown."""
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
    return min(free, max(0, limit - used + _file_cache_bytes()))


def address_space_left() -> int | None:
    """Return the bytes of address space that this process may still take; None where it has no limit.

    `ulimit -v` sets one (RLIMIT_AS). Mapped files, libraries and stacks count as memory does.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        pages = 0
    return max(0, limit - pages * resource.getpagesize())


def on_battery() -> bool:
    """Return whether a battery of this machine is being discharged; False where that cannot be told."""
    for status in _POWER_SUPPLIES.glob("*/status"):
        scope = status.with_name("scope")
        try:
            discharging = status.read_text(encoding="ascii").strip() == "Discharging"
            # A mouse has a battery of its own.
            if discharging and not (scope.exists() and scope.read_text(encoding="ascii").strip() == "Device"):
                return True
        except (OSError, ValueError):
            continue
    return False


def _file_cache_bytes() -> int:
    """Return the bytes of the control group that are file cache, which the system frees under pressure."""
    try:
        rows = dict(
            line.split() for line in (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()
        )
        return int(rows["active_file"]) + int(rows["inactive_file"])
    except (OSError, KeyError, ValueError):
        return 0


def require_memory(needed: int, what: str, free: int | None) -> None:
    """Raise EngineError, with the numbers, where `what` needs more bytes than are `free`."""
    if free is not None and needed > free:
        raise EngineError(
            f"{what} need {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are available",
            "close other programs, or pick smaller models",
        )


def processor_name() -> str:
    """Return the name of the processor as the system reports it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return the number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def devices() -> list[str]:
    """Return name and description of each device that this build of llama.cpp can compute on.

    llama-cpp-python wraps no function for this, so libggml is called directly; empty where it is not found.
    """
    import llama_cpp

    names = {"win32": "ggml.dll", "darwin": "libggml.dylib"}
    path = Path(llama_cpp.__file__).parent / "lib" / names.get(sys.platform, "libggml.so")
    try:
        library: Any = ctypes.CDLL(str(path))
        count, get, name, description = (
            getattr(library, f"ggml_backend_dev_{suffix}")
            for suffix in ("count", "get", "name", "description")
        )
    except (OSError, AttributeError):
        return []
    count.restype = ctypes.c_size_t
    get.argtypes, get.restype = [ctypes.c_size_t], ctypes.c_void_p
    for function in (name, description):
        function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_char_p
    found = [(name(device), description(device)) for device in map(get, range(count()))]
    return [f"{a.decode('utf-8', 'replace')} ({b.decode('utf-8', 'replace').strip()})" for a, b in found]
