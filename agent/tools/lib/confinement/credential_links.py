"""Hard links to files of credentials: the same file under an ordinary name, told by its device and inode."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

MOST_LISTED = 2_000
"""Entries of a folder that are looked at."""
KEPT_S = 1.0
"""Seconds for which a look holds: a search asks about each file that has several names."""
_INSIDE = (".git", ".docker", ".cargo", ".m2", ".gem", ".huggingface", ".config/git", ".cache/huggingface")
"""Folders that are not of credentials themselves and hold such files."""

Identity = tuple[int, int]
"""Device and inode."""


class CredentialLinks:
    """The files of credentials of the user's home and of the workspace `root`, by identity.

    `is_credential` tells of an absolute path whether it is that of one; `folders` are paths, relative to
    either, in which all files are.
    """

    def __init__(self, root: Path, folders: tuple[str, ...], is_credential: Callable[[Path], bool]) -> None:
        self._folders = [
            base / name for base in (Path(os.path.expanduser("~")), root) for name in ("", *_INSIDE, *folders)
        ]
        self._is_credential = is_credential
        self._known: set[Identity] = set()
        self._looked = -KEPT_S

    def find(self, identity: Identity) -> bool:
        """Return whether the file is one of them."""
        if time.monotonic() - self._looked >= KEPT_S:
            self._known = set(self._identities())
            self._looked = time.monotonic()
        return identity in self._known

    def _identities(self) -> Iterator[Identity]:
        for folder in self._folders:
            with suppress(OSError), os.scandir(folder) as entries:
                for entry in islice(entries, MOST_LISTED):
                    if entry.is_file(follow_symlinks=False) and self._is_credential(Path(entry.path)):
                        about = entry.stat(follow_symlinks=False)
                        yield about.st_dev, about.st_ino
