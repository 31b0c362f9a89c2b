"""The user's notes: a JSON-lines file, one for all workspaces, shared by concurrent processes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.errors import ToolError
from agent.paths import make_private_folder, read_file, require_regular
from agent.tools.lib.dates import now
from agent.tools.lib.file_lock import lock
from agent.tools.lib.time_limit import check_time, committing


@dataclass(frozen=True)
class Note:
    """A stored note. Ids count from 1 and are never reused while a higher one is stored."""

    id: int
    text: str
    workspace: str = ""
    """The folder in which the note was added, if it is known."""


def append_note(path: Path, text: str, workspace: str) -> int:
    """Append a note from `workspace` to the store at `path` under an exclusive lock and return its id.

    The file and its folder are created if needed. Raise ToolError if `text` cannot be encoded as UTF-8 or
    the store cannot be written.
    """
    try:
        make_private_folder(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            require_regular(descriptor, path)
            os.fchmod(descriptor, 0o600)
            lock(file)
            stored = file.read()
            note_id = max((note.id for note in _parse(stored.split(b"\n"))), default=0) + 1
            row = {
                "id": note_id,
                "time": now().isoformat(timespec="seconds"),
                "text": text,
                "workspace": workspace.encode("utf-8", "replace").decode(),
            }
            # A line that a crash left incomplete must not run into this one.
            line_break = b"\n" if stored and not stored.endswith(b"\n") else b""
            line = line_break + json.dumps(row, ensure_ascii=False).encode() + b"\n"
            with committing():
                file.write(line)
                file.flush()
    except UnicodeEncodeError:
        raise ToolError("text holds characters that cannot be written as UTF-8") from None
    except OSError as error:
        raise ToolError(f"the note store cannot be written: {_reason(error)}") from None
    return note_id


def read_notes(path: Path) -> list[Note]:
    """Return all notes of the store at `path`, oldest first; an empty list if there is no store.

    Raise ToolError if the store cannot be read.
    """
    try:
        return list(_parse(read_file(path).split(b"\n")))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ToolError(f"the note store cannot be read: {_reason(error)}") from None


def _parse(lines: Iterable[bytes]) -> Iterator[Note]:
    """Yield the notes in the lines of a store; damaged lines are skipped."""
    for line in lines:
        check_time()
        try:
            row = json.loads(line)
            if type(row["id"]) is int and isinstance(row["text"], str):
                workspace = row.get("workspace", "")
                yield Note(row["id"], row["text"], workspace if isinstance(workspace, str) else "")
        except (ValueError, TypeError, KeyError, RecursionError):
            continue


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
