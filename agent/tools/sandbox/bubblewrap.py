"""Confinement by bubblewrap: namespaces of its own, in which only what may be read is mounted."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from agent.tools.sandbox.limits import Limits
from agent.tools.sandbox.system_paths import DEVICES, readable_paths
from agent.tools.sandbox.view import View

OWN_TASKS = 3
"""bubblewrap outside and inside, and `child.py`."""
TEMPORARY = Path("/tmp")


def find_bubblewrap() -> str:
    """Return the path of the program `bwrap`, or an empty text."""
    found = shutil.which("bwrap") or ""
    return found if os.path.isabs(found) else ""


def bubblewrap_problem() -> str:
    """Return why it cannot be tried, or an empty text."""
    return "" if find_bubblewrap() else "bubblewrap is not installed (on Debian: apt install bubblewrap)"


def command_line(program: str, view: View, limits: Limits) -> list[str]:
    """Return the arguments up to the command that is run inside, which can write in temporary folders alone.

    The order counts: a mount covers what was mounted below it before.
    """
    size = str(limits.folder_bytes)
    line = [
        program,
        "--unshare-user",
        "--unshare-all",
        "--cap-drop",
        "ALL",
        "--die-with-parent",
        "--clearenv",
    ]
    line += ["--size", size, "--tmpfs", str(TEMPORARY), "--proc", "/proc", "--dir", "/dev"]
    line += ["--size", size, "--tmpfs", "/dev/shm", "--symlink", "/proc/self/fd", "/dev/fd"]
    for device in DEVICES:
        line += ["--dev-bind", device, device]
    for path in readable_paths():
        if path.is_symlink() and path.parent == Path("/"):
            line += ["--symlink", os.readlink(path), str(path)]
        else:
            line += ["--ro-bind", str(path), str(path)]
    if view.copy:
        line += ["--bind", str(view.copy), str(view.root)]
    else:
        line += ["--ro-bind", str(view.root), str(view.root)]
        for path in view.hidden:
            if path.is_dir():
                line += ["--tmpfs", str(path), "--remount-ro", str(path)]
            else:
                line += ["--ro-bind", "/dev/null", str(path)]
    return [*line, "--remount-ro", "/", "--"]
