"""Undo of a write: the file gets back what it held before, and is removed where there was none."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path

from agent.errors import InputError, ToolError
from agent.tools.lib.workspace import Workspace
from agent.tools.undo.store import UndoStore, Write

_FORCE = "to undo it all the same, add --force"


@dataclass(frozen=True)
class Undone:
    """What an undo did: the write that it took back, and the id by which the undo itself is undone."""

    write: Write
    id: int


def is_made(write: Write) -> bool:
    """Return whether a write was made: of one that is pending, whether the file holds what it wrote."""
    return not write.pending or _digest(write) == write.after


def undone_ids(writes: list[Write]) -> set[int]:
    """Return the ids of the writes that are taken back. An undo that was itself undone takes nothing back."""
    undone: set[int] = set()
    for write in reversed(writes):
        if write.undoes is not None and write.id not in undone and is_made(write):
            undone.add(write.undoes)
    return undone


def undo(store: UndoStore, write_id: int | None = None, *, force: bool = False) -> Undone:
    """Take back a write; by default the last one that is not taken back yet and is not itself an undo.

    Raise InputError in one line where there is none, where the file was changed since (unless `force`), and
    where the workspace or the file cannot be used.
    """
    writes = store.writes()
    undone = undone_ids(writes)
    if write_id is None:
        write = _last(writes, undone)
    else:
        write = next((write for write in writes if write.id == write_id), None)
        if write is None:
            raise InputError(f"no write {write_id} is kept", "see `umi undo --list`")
        if write_id in undone:
            by = max(other.id for other in writes if other.undoes == write_id and is_made(other))
            raise InputError(f"write {write_id} is undone", f"take that back with: umi undo {by}")
    try:
        _put_back(store, write, force)
    except ToolError as error:
        raise InputError(f"write {write.id} cannot be undone: {error}") from None
    return Undone(write, max(other.id for other in store.writes() if other.undoes == write.id))


def _last(writes: list[Write], undone: set[int]) -> Write:
    """Return the last write in effect. One that a killed process did not make any more is passed over."""
    for write in reversed(writes):
        if write.undoes is None and write.id not in undone and is_made(write):
            return write
    raise InputError("there is no write to undo", "see `umi undo --list`")


def _put_back(store: UndoStore, write: Write, force: bool) -> None:
    try:
        workspace = Workspace(Path(write.root), allowed=("*",), undo=store)
    except InputError:
        raise ToolError(f"the workspace {write.root} is gone") from None
    if str(workspace.root) != write.root:
        raise ToolError(f"the workspace {write.root} is now a link to {workspace.root}")
    if write.file.resolve() != write.file:
        raise ToolError(f"{write.path} is now a link, or inside one")
    current = _digest(write)
    if current == _old_digest(store, write):
        raise ToolError(f"{write.path} is already as it was before")
    if current != write.after and not force:
        happened = "was removed" if current is None else "was changed"
        raise ToolError(f"{write.path} {happened} since; {_FORCE}")
    if write.mode is None:
        workspace.remove(write.path, undoes=write.id)
        for folder in reversed(write.folders):
            workspace.remove_empty_folder(folder)
        return
    with store.open_old(write.id) as old:
        workspace.write_bytes(write.path, old.read(), mode=write.mode, undoes=write.id)


def _digest(write: Write) -> str | None:
    """Return the sha256 of what the file of a write holds now, None if there is no such file."""
    try:
        if not stat.S_ISREG(write.file.lstat().st_mode):
            return None
        with write.file.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _old_digest(store: UndoStore, write: Write) -> str | None:
    """Return the sha256 of what the file of a write held before, None if there was none."""
    if write.mode is None:
        return None
    with store.open_old(write.id) as old:
        return hashlib.file_digest(old, "sha256").hexdigest()
