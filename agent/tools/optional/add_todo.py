"""The tool `add_todo`."""

from __future__ import annotations

from agent.errors import ToolError
from agent.tools.base import ToolContext, tool
from agent.tools.lib.argument_types import Text
from agent.tools.lib.todo_store import add_entry, todos_path

MAX_LENGTH = 1000
"""Maximum length of an entry, in characters."""


@tool(may="note", untrusted=False)
def add_todo(context: ToolContext, text: Text) -> str:
    """Add an entry to the to-do list."""
    text = " ".join(text.split())
    if not text:
        raise ToolError("text is empty")
    if len(text) > MAX_LENGTH:
        raise ToolError(f"text is longer than {MAX_LENGTH} characters")
    number = add_entry(todos_path(context.notes), text, str(context.workspace.root))
    return f"added entry {number}"
