"""The files of the system that confined code may read: programs, libraries, and the Python that runs umi."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store")
_SETTINGS = (
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "timezone", "locale.conf"),
    *("passwd", "group", "nsswitch.conf", "mime.types", "magic", "terminfo", "inputrc", "os-release"),
)
"""Names in /etc; none of these holds a secret."""
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    # One address space is limited, and each thread of these libraries takes a large piece of it.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def readable_paths() -> list[Path]:
    """Return the files and folders that exist, in the order in which they are to be mounted."""
    paths = [Path(path) for path in _PROGRAMS]
    paths += [Path("/etc", name) for name in _SETTINGS]
    # A prefix may be reached by a link, as the Pythons that uv installs are.
    prefixes = [Path(prefix) for prefix in (sys.base_prefix, sys.prefix)]
    paths += [path for prefix in prefixes for path in (prefix, prefix.resolve())]
    paths.append(Path(__file__).parent)  # with `child.py`
    return [path for path in dict.fromkeys(paths) if os.path.lexists(path)]
