"""The user's to-do list: a JSON-lines file beside the notes, in which a later line marks an entry as done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agent.errors import ToolError
from agent.tools.lib.note_store import (
    Note,
    append_note,
    append_row,
    parse_notes,
    parse_rows,
    read_store,
    timestamp,
)

_LIST = "the to-do list"


def todos_path(notes: Path) -> Path:
    """Return the path of the list that belongs to the notes at `notes`."""
    return notes.with_name("todos.jsonl")


def add_entry(path: Path, text: str, workspace: str) -> int:
    """Append an entry to the list at `path` and return its id. Raise ToolError as `append_row`."""
    return append_note(path, text, workspace, _LIST)


def open_entries(path: Path) -> list[Note]:
    """Return the entries that are not done, oldest first. Raise ToolError where the list cannot be read."""
    return _open(read_store(path, _LIST))


def finish_entry(path: Path, number: int) -> Note:
    """Mark the entry with the id `number` as done and return it. Raise ToolError where none such is open."""
    found: list[Note] = []

    def row(stored: bytes) -> dict[str, Any]:
        entries = {entry.id: entry for entry in _open(stored)}
        if number not in entries:
            numbers = ", ".join(map(str, entries)) or "none"
            raise ToolError(f"there is no open entry {number}; open are: {numbers}")
        found.append(entries[number])
        return {"done": number, "time": timestamp()}

    append_row(path, row, _LIST)
    return found[0]


def _open(stored: bytes) -> list[Note]:
    done = {row["done"] for row in parse_rows(stored) if type(row.get("done")) is int}
    return [entry for entry in parse_notes(stored) if entry.id not in done]
