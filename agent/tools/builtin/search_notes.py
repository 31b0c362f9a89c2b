"""The tool `search_notes`."""

from __future__ import annotations

from agent.tools.base import ToolContext, tool
from agent.tools.lib.argument_types import Query
from agent.tools.lib.note_store import Note, read_notes
from agent.tools.lib.output import MAX_CHARACTERS, join_lines, pluralize, safe_name, shorten
from agent.tools.lib.searching.names import LEAST_LETTERS, letters, singular

MAX_RESULTS = 20
"""Maximum number of notes in the result; the newest are kept."""


MAX_WORKSPACE = 60
"""Maximum number of characters shown of the workspace of a note."""


@tool(may="read")
def search_notes(context: ToolContext, query: Query | None = None) -> str:
    """Search the saved notes.

    Every word of the query must appear, where none has them all in another spelling: hyphens, underscores,
    dots and the plural make no difference then. Without a query, all notes match. The newest come last, and
    those of another workspace name it.
    """
    notes = read_notes(context.notes)
    if not notes:
        return "there are no notes"
    words = (query or "").lower().split()
    matches = [note for note in notes if all(word in note.text.lower() for word in words)]
    if not matches:
        parts = [singular(letters(word)) for word in words if len(letters(word)) >= LEAST_LETTERS]
        matches = [
            note for note in notes if parts and all(part in letters(note.text.lower()) for part in parts)
        ]
    if not matches:
        return f"no note contains '{query}'"
    newest = matches[-MAX_RESULTS:]
    here = str(context.workspace.root)
    width = MAX_CHARACTERS // len(newest) - 12  # 12 characters for the number and the line end
    older = len(matches) - len(newest)
    remark = pluralize(older, "older note") if older else ""
    return join_lines([_line(note, here, width) for note in newest], remark)


def _line(note: Note, here: str, width: int) -> str:
    """Return a note in at most about `width` characters, with its workspace where that is not `here`."""
    if note.workspace in ("", here):
        return f"{note.id}: {shorten(note.text, width)}"
    origin = f"(from {shorten(safe_name(note.workspace), MAX_WORKSPACE)}) "
    return f"{note.id}: {origin}{shorten(note.text, width - len(origin))}"
