"""`umi undo`: take back a write, or list those that are kept."""

from __future__ import annotations

from agent.paths import undo_folder
from agent.tools.undo.restore import is_made, undo, undone_ids
from agent.tools.undo.store import UndoStore, Write
from tui.text import one_line


def undo_write(write_id: int | None = None, *, force: bool = False) -> int:
    """Take back a write, by default the last one, and say how to take that back; return the exit code.

    Raise InputError where it cannot be taken back.
    """
    print(undo_message(write_id, force=force))
    return 0


def undo_message(write_id: int | None = None, *, force: bool = False) -> str:
    """Take back a write and return what was done, in one line. Raise InputError where it cannot be."""
    undone = undo(UndoStore(undo_folder()), write_id, force=force)
    file = one_line(str(undone.write.file))
    done = f"removed {file}" if undone.write.mode is None else f"put back {file}"
    return f"{done}; take that back with: umi undo {undone.id}"


def list_writes() -> int:
    """Print the writes that are kept, the newest first; return the exit code."""
    writes = UndoStore(undo_folder()).writes()
    undone = undone_ids(writes)
    for write in reversed(writes):
        when = write.time[:16].replace("T", " ")
        state = "  (undone)" if write.id in undone else "" if is_made(write) else "  (not made)"
        print(f"{write.id:>5}  {when}  {_kind(write):8}  {one_line(str(write.file))}{state}")
    if not writes:
        print("no write is kept")
    return 0


def _kind(write: Write) -> str:
    if write.undoes is not None:
        return f"undo {write.undoes}"
    return "new" if write.mode is None else "changed"
