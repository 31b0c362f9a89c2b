"""The tool `list_files`."""

from __future__ import annotations

from agent.tools.base import ToolContext, tool
from agent.tools.lib.argument_types import FilePath
from agent.tools.lib.output import join_lines, safe_name


@tool(may="read", time_limit_s=10)
def list_files(context: ToolContext, path: FilePath | None = None) -> str:
    """List the files in a folder."""
    names, complete = context.workspace.names(path)
    if complete and not names:
        return "the folder is empty"
    remark = "" if complete else f"stopped after {len(names)} names; there are more"
    return join_lines([safe_name(name) for name in names], remark)
