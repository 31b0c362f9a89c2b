"""Which processes are running, told by locks that a kill releases: a question whose process is gone was
interrupted, one whose process runs is being answered.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path

from agent.paths import is_locked, make_private_folder


class ProcessLock:
    """A lock file of this process in `folder`, named by a random `token`, locked until it is closed."""

    def __init__(self, folder: Path) -> None:
        self.token = secrets.token_hex(8)
        self._path = folder / self.token
        make_private_folder(folder)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.fchmod(self._descriptor, 0o600)  # whatever the umask is
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def close(self) -> None:
        """Remove the file. May be called twice."""
        if self._descriptor >= 0:
            with suppress(OSError):
                self._path.unlink()
            os.close(self._descriptor)
            self._descriptor = -1


def is_running(folder: Path, token: str) -> bool:
    """Return whether the process with that token runs. The file of one that was killed is removed."""
    path = folder / token
    try:
        running = is_locked(path)
    except OSError:
        return False
    if not running:
        with suppress(OSError):
            path.unlink()
    return running
