"""Listings of open folders, which end at a limit of entries and where the time of the call is up."""

from __future__ import annotations

import os
from contextlib import suppress

from agent.tools.lib.confinement.resolution import FOLDER_FLAGS
from agent.tools.lib.time_limit import is_time_up

SKIPPED_FOLDERS = {"node_modules", "__pycache__", "venv"}
"""Folders that walks do not enter, in addition to hidden ones."""


def list_names(folder: int, limit: int) -> tuple[list[str], bool]:
    """Return the sorted names in an open folder, folders with a slash, and whether these are all.

    Links are not followed. At most `limit` names are returned.
    """
    names: list[str] = []
    complete = True
    with os.scandir(folder) as listing:
        for item in listing:
            if len(names) == limit or is_time_up():
                complete = False
                break
            names.append(f"{item.name}/" if item.is_dir(follow_symlinks=False) else item.name)
    return sorted(names, key=_order), complete


def walk_files(folder: int, prefix: str, depth: int, limit: int) -> tuple[list[str], bool]:
    """Return the paths of the regular files below an open folder, behind `prefix`, and whether that is all.

    The files of a folder come before those of its folders. Hidden folders, `SKIPPED_FOLDERS` and links are
    left out. At most `limit` files and folders are visited, and folders `depth` deep.
    """
    found: list[str] = []
    complete = _walk(folder, prefix, depth, found, [limit])
    return found, complete


def _walk(folder: int, prefix: str, depth: int, found: list[str], left: list[int]) -> bool:
    """Add files to `found`; return whether the walk is complete. `left[0]` is how many may be visited."""
    files: list[str] = []
    folders: list[str] = []
    with os.scandir(folder) as listing:
        for item in listing:
            if left[0] == 0 or is_time_up():
                found += sorted(files)
                return False
            left[0] -= 1
            if item.is_file(follow_symlinks=False):
                files.append(f"{prefix}{item.name}")
            elif item.is_dir(follow_symlinks=False) and not item.name.startswith("."):
                folders.append(item.name)
    found += sorted(files)
    entered = sorted(set(folders) - SKIPPED_FOLDERS)
    if depth == 0:
        return not entered
    for name in entered:
        with suppress(OSError):
            descriptor = os.open(name, FOLDER_FLAGS, dir_fd=folder)
            try:
                if not _walk(descriptor, f"{prefix}{name}/", depth - 1, found, left):
                    return False
            finally:
                os.close(descriptor)
    return True


def _order(name: str) -> tuple[str, str]:
    """Return the sort key of a name, which ends with a slash if it is a folder's."""
    name = name.removesuffix("/")
    return name.casefold(), name
