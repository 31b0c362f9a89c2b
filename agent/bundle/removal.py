"""The removal of a model of the user's own, of either kind: a bundle or a base."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.bundle.download.bases import removable_base_folders, remove_base
from agent.bundle.manifest import MANIFEST
from agent.bundle.store import removable_folders, remove_bundle
from agent.paths import models_folder


@dataclass(frozen=True)
class Removal:
    """What goes for good with a model."""

    name: str
    folders: tuple[Path, ...]
    size: int
    """Of all files in them, in bytes."""
    is_base: bool

    def run(self) -> bool:
        """Delete it; return whether it was the default, which is then the shipped bundle.

        Raise InputError where a file cannot be deleted.
        """
        if self.is_base:
            remove_base(self.name)
            return False
        return remove_bundle(self.name)


def removal_of(name: str, *, base: bool | None = None) -> Removal:
    """Return what would go with a model.

    Where a bundle and a base have that name, `base` says which is meant, by default the bundle. Raise
    InputError for one that may not be removed.
    """
    if base is None:
        base = not (models_folder() / name / MANIFEST).exists()
    bases = removable_base_folders(name) if base else []
    folders = bases or removable_folders(name)
    files = (path for folder in folders for path in folder.rglob("*"))
    size = sum(path.stat().st_size for path in files if path.is_file())
    return Removal(name, tuple(folders), size, bool(bases))
