"""The tool `search_notes`."""

from __future__ import annotations

from agent.tools.base import ToolContext, tool
from agent.tools.lib.argument_types import Query
from agent.tools.lib.note_store import Note, read_notes
from agent.tools.lib.output import MAX_CHARACTERS, join_lines, pluralize, safe_name, shorten

MAX_RESULTS = 20
"""Maximum number of notes in the result; the newest are kept."""


MAX_WORKSPACE = 60
"""Maximum number of characters shown of the workspace of a note."""


@tool(may="read")
def search_notes(context: ToolContext, query: Query | None = None) -> str:
    """Search the saved notes.

    Every word of the query must appear; without a query, all notes match. The newest come last, and those of
    another workspace name it.
    """
    notes = read_notes(context.notes)
    if not notes:
        return "there are no notes"
    words = (query or "").lower().split()
    matches = [note for note in notes if all(word in note.text.lower() for word in words)]
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
