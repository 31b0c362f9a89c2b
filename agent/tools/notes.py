"""The tools that keep the user's notes: one JSON object a line, in one file for all workspaces."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass

from agent.errors import ToolError
from agent.tools.base import ToolContext, tool
from agent.tools.lib.dates import now
from agent.tools.lib.output import LIMIT, bounded, clipped

SHOWN = 20
"""Notes in an answer to a search."""
MAX_LENGTH = 10_000
"""Characters of a note."""


@dataclass(frozen=True)
class _Note:
    id: int
    text: str


@tool(may="read")
def add_note(context: ToolContext, text: str) -> str:
    """Save a note."""
    text = text.strip()
    if not text:
        raise ToolError("text is empty")
    if len(text) > MAX_LENGTH:
        raise ToolError(f"text is longer than {MAX_LENGTH} characters")
    try:
        context.notes.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(context.notes, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            stored = file.read()
            number = max((note.id for note in _notes(stored.split(b"\n"))), default=0) + 1
            row = {"id": number, "time": now().isoformat(timespec="seconds"), "text": text}
            # What a crash cut off stays a line of its own.
            start = b"\n" if stored and not stored.endswith(b"\n") else b""
            file.write(start + json.dumps(row, ensure_ascii=False).encode() + b"\n")
    except UnicodeEncodeError:
        raise ToolError("text holds characters that cannot be written as UTF-8") from None
    except OSError as error:
        raise ToolError(f"the note store cannot be written: {_reason(error)}") from None
    return f"saved note {number}"


@tool(may="read")
def search_notes(context: ToolContext, query: str | None = None) -> str:
    """Search the saved notes.

    Every word of the query must appear; without a query, all notes match. The newest come last.
    """
    try:
        with open(context.notes, "rb") as file:
            notes = list(_notes(file))
    except FileNotFoundError:
        notes = []
    except OSError as error:
        raise ToolError(f"the note store cannot be read: {_reason(error)}") from None
    if not notes:
        return "there are no notes"
    words = (query or "").lower().split()
    found = [note for note in notes if all(word in note.text.lower() for word in words)]
    if not found:
        return f"no note contains '{query}'"
    shown = found[-SHOWN:]
    width = LIMIT // len(shown) - 12
    older = len(found) - len(shown)
    note = f"{older} older {'note' if older == 1 else 'notes'}" if older else ""
    return bounded([f"{note.id}: {clipped(note.text, width)}" for note in shown], note)


def _notes(lines: Iterable[bytes]) -> Iterable[_Note]:
    """The notes in the lines of the store; damaged lines are passed over."""
    for line in lines:
        try:
            row = json.loads(line)
            if type(row["id"]) is int and isinstance(row["text"], str):
                yield _Note(row["id"], row["text"])
        except (ValueError, TypeError, KeyError, RecursionError):
            continue


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
