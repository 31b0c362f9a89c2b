"""The tool `list_todos`."""

from __future__ import annotations

from agent.tools.base import ToolContext, tool
from agent.tools.lib.output import join_lines, shorten
from agent.tools.lib.todo_store import open_entries, todos_path

MAX_ENTRY = 200
"""Characters shown of an entry."""


@tool(may="read")
def list_todos(context: ToolContext) -> str:
    """List what is open on the to-do list."""
    entries = open_entries(todos_path(context.notes))
    if not entries:
        return "nothing is open on the to-do list"
    return join_lines([f"{entry.id}: {shorten(entry.text, MAX_ENTRY)}" for entry in entries])
