"""The tool `finish_todo`."""

from __future__ import annotations

from typing import Annotated

from agent.tools.base import ToolContext, tool
from agent.tools.lib.output import shorten
from agent.tools.lib.todo_store import finish_entry, todos_path
from agent.transcript.arguments import Derived


@tool(may="note")
def finish_todo(context: ToolContext, number: Annotated[int, Derived("number")]) -> str:
    """Mark an entry of the to-do list as done."""
    entry = finish_entry(todos_path(context.notes), number)
    return f"done: {shorten(entry.text, 200)}"
