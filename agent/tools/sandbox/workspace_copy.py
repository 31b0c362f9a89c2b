"""A copy of the workspace that code may change, and the writing back of what it changed.

The code never touches the workspace: its changes are written as a tool writes a file, so that protected
places are refused and the old contents are kept for undo.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.errors import ToolError
from agent.tools.lib.time_limit import check_time
from agent.tools.lib.workspace import Workspace
from agent.tools.sandbox.limits import MIB
from agent.tools.sandbox.view import is_regular, require_confinable

MAX_FILES = 2000
"""Files of a workspace that is copied, at most."""
MAX_BYTES = 64 * MIB
"""Bytes of these files, at most."""
MAX_CHANGES = 100
"""Files that one run may change, at most: the store of old contents holds ten such runs."""


@dataclass(frozen=True)
class WrittenBack:
    """What came of the changes: the files that were written, and why others were not."""

    written: tuple[str, ...]
    refused: tuple[str, ...]


def copy_files(workspace: Workspace, folder: Path) -> dict[str, bytes]:
    """Copy what tools may read into `folder`; return the SHA-256 of each file by its path.

    Left out are links, hidden folders and those of installed packages, as in a search. Raise ToolError where
    the files are too many or too large to be copied.
    """
    require_confinable(workspace)
    names, complete = workspace.files()
    if not complete or len(names) > MAX_FILES:
        raise ToolError(f"the workspace has more than {MAX_FILES} files, too many for code that may write")
    hashes: dict[str, bytes] = {}
    room = MAX_BYTES
    for name in names:
        check_time()
        try:
            with workspace.open(name) as file:
                data = file.read(room + 1)
                mode = os.fstat(file.fileno()).st_mode
        except ToolError:
            continue  # protected, or removed meanwhile
        room -= len(data)
        if room < 0:
            raise ToolError(
                f"the files of the workspace take more than {MAX_BYTES // MIB} MiB,"
                " too much for code that may write"
            )
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o600 | stat.S_IMODE(mode) & 0o100)
        hashes[name] = hashlib.sha256(data).digest()
    return hashes


def write_back(workspace: Workspace, folder: Path, before: Mapping[str, bytes]) -> WrittenBack:
    """Write the files of `folder` that are new or differ into the workspace. Removed files stay in it.

    Raise ToolError, before the first write, where more than `MAX_CHANGES` files changed.
    """
    changes = {}
    for name in _files(folder):
        data = (folder / name).read_bytes()
        if before.get(name) != hashlib.sha256(data).digest():
            changes[name] = data
        if len(changes) > MAX_CHANGES:
            raise ToolError(f"more than {MAX_CHANGES} files were changed, so nothing was written")
    written, refused = [], []
    for name, data in sorted(changes.items()):
        try:
            written.append(workspace.write_bytes(name, data))
        except ToolError as error:
            refused.append(str(error))
    return WrittenBack(tuple(written), tuple(refused))


def _files(folder: Path) -> Iterator[str]:
    """Yield the paths of the regular files below a folder; links are left out."""
    pending = [folder]
    while pending:
        check_time()
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                path = Path(entry.path)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path)
                elif is_regular(path):
                    yield path.relative_to(folder).as_posix()
