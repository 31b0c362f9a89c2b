"""The tool `add_note`."""

from __future__ import annotations

from agent.errors import ToolError
from agent.tools.base import ToolContext, tool
from agent.tools.lib.argument_types import Text
from agent.tools.lib.note_store import append_note

MAX_LENGTH = 10_000
"""Maximum length of a note, in characters."""


@tool(may="note", untrusted=False)
def add_note(context: ToolContext, text: Text) -> str:
    """Save a note."""
    text = text.strip()
    if not text:
        raise ToolError("text is empty")
    if len(text) > MAX_LENGTH:
        raise ToolError(f"text is longer than {MAX_LENGTH} characters")
    return f"saved note {append_note(context.notes, text, str(context.workspace.root))}"
