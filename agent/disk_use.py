"""What umi keeps on the disk, and the removal of what can be had again: caches and unfinished downloads."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agent.paths import (
    audit_path,
    bases_folder,
    cache_folder,
    data_folder,
    is_locked,
    models_folder,
    notes_path,
    undo_folder,
)


@dataclass(frozen=True)
class DiskUse:
    """One kind of files."""

    name: str
    size: int
    """In bytes."""
    remedy: str = ""
    """The command that makes it smaller; empty where `remove_caches` does."""


def disk_use() -> list[DiskUse]:
    """Return what is kept, one entry a kind."""
    data = data_folder()
    bundles = [path for path in _whole(models_folder()) if path != bases_folder()]
    return [
        DiskUse("models", _size(bundles), "umi models remove NAME"),
        DiskUse("bases", _size(_whole(bases_folder())), "umi models remove NAME"),
        DiskUse("sessions", _size(data.glob("sessions*")), "umi sessions remove ID"),
        DiskUse("notes", _size([notes_path()]), f"edit {notes_path()}"),
        DiskUse("undo", _size([undo_folder()]), f"remove {undo_folder()}"),
        DiskUse("audit log", _size([audit_path()]), f"remove {audit_path()}"),
        DiskUse("caches", _size([cache_folder()])),
        DiskUse("unfinished", _size(_unfinished())),
    ]


def remove_caches() -> int:
    """Remove the caches and what unfinished downloads and builds left; return how many bytes that frees.

    What another process works on is left alone, as is what cannot be removed.
    """
    before = _size([cache_folder(), *_unfinished()])
    for path in _entries(cache_folder()):
        _remove(path)
    for path in _unfinished():
        with suppress(OSError):  # one that cannot be opened is left alone
            if not is_locked(path):
                _remove(path)
    return before - _size([cache_folder(), *_unfinished()])


def _unfinished() -> list[Path]:
    """Return the folders of downloads and builds that are not complete."""
    folders = (models_folder(), bases_folder())
    return [path for folder in folders for path in folder.glob(".*") if path.is_dir()]


def _whole(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if not path.name.startswith(".")]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _size(paths: Iterable[Path]) -> int:
    """Return the bytes of files and of those in folders; a file with several links counts once."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for path in paths:
        walked = os.walk(path) if path.is_dir() else [(path.parent, [], [path.name])]
        for file in (Path(root, name) for root, _, names in walked for name in names):
            with suppress(OSError):
                about = file.lstat()
                if (about.st_dev, about.st_ino) not in seen:
                    seen.add((about.st_dev, about.st_ino))
                    total += about.st_size
    return total


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
