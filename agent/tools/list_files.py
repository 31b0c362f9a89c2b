"""The tool `list_files`."""

from __future__ import annotations

from agent.tools.base import ToolContext, tool
from agent.tools.lib.argument_types import FilePath
from agent.tools.lib.output import join_lines, safe_name


@tool(may="read")
def list_files(context: ToolContext, path: FilePath | None = None) -> str:
    """List the files in a folder."""
    entries = context.workspace.entries(path)
    if not entries:
        return "the folder is empty"
    names = (entry.path.rpartition("/")[2] + ("/" if entry.is_folder else "") for entry in entries)
    return join_lines([safe_name(name) for name in names])
