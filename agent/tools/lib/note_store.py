"""The user's notes: a JSON-lines file, one for all workspaces, shared by concurrent processes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.errors import ToolError
from agent.paths import make_private_folder, read_file, require_regular
from agent.tools.lib.dates import now
from agent.tools.lib.file_lock import lock
from agent.tools.lib.time_limit import check_time, committing

NOTES = "the note store"
"""What messages call it."""


@dataclass(frozen=True)
class Note:
    """A stored note. Ids count from 1 and are never reused while a higher one is stored."""

    id: int
    text: str
    workspace: str = ""
    """The folder in which the note was added, if it is known."""


def append_note(path: Path, text: str, workspace: str, store: str = NOTES) -> int:
    """Append a note from `workspace` to the store at `path` and return its id.

    Raise ToolError as `append_row`.
    """

    def row(stored: bytes) -> dict[str, Any]:
        note_id = max((note.id for note in parse_notes(stored)), default=0) + 1
        origin = workspace.encode("utf-8", "replace").decode()
        return {"id": note_id, "time": timestamp(), "text": text, "workspace": origin}

    return append_row(path, row, store)["id"]


def append_row(path: Path, make_row: Callable[[bytes], dict[str, Any]], store: str) -> dict[str, Any]:
    """Append the row that `make_row` makes of what is stored, under an exclusive lock, and return it.

    The file and its folder are created if needed. Raise ToolError, which calls the file `store`, if a text
    cannot be encoded as UTF-8 or the file cannot be written.
    """
    try:
        make_private_folder(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            require_regular(descriptor, path)
            os.fchmod(descriptor, 0o600)
            lock(file)
            stored = file.read()
            row = make_row(stored)
            # A line that a crash left incomplete must not run into this one.
            line_break = b"\n" if stored and not stored.endswith(b"\n") else b""
            line = line_break + json.dumps(row, ensure_ascii=False).encode() + b"\n"
            with committing():
                file.write(line)
                file.flush()
    except UnicodeEncodeError:
        raise ToolError("text holds characters that cannot be written as UTF-8") from None
    except OSError as error:
        raise ToolError(f"{store} cannot be written: {_reason(error)}") from None
    return row


def timestamp() -> str:
    """Return the time of now, as rows hold it."""
    return now().isoformat(timespec="seconds")


def read_notes(path: Path) -> list[Note]:
    """Return all notes of the store at `path`, oldest first; an empty list if there is no store.

    Raise ToolError if the store cannot be read.
    """
    return list(parse_notes(read_store(path, NOTES)))


def read_store(path: Path, store: str) -> bytes:
    """Return what is stored at `path`, nothing if there is no file. Raise ToolError as `append_row`."""
    try:
        return read_file(path)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise ToolError(f"{store} cannot be read: {_reason(error)}") from None


def parse_notes(stored: bytes) -> Iterator[Note]:
    """Yield the notes in a store; damaged lines are skipped."""
    for row in parse_rows(stored):
        if type(row.get("id")) is int and isinstance(row.get("text"), str):
            workspace = row.get("workspace", "")
            yield Note(row["id"], row["text"], workspace if isinstance(workspace, str) else "")


def parse_rows(stored: bytes) -> Iterator[dict[str, Any]]:
    """Yield the rows in a store; damaged lines are skipped."""
    for line in stored.split(b"\n"):
        check_time()
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            yield row


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
