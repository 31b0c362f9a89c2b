"""The tool `find_files`."""

from __future__ import annotations

from fnmatch import fnmatchcase

from agent.errors import ToolError
from agent.tools.base import ToolContext, tool
from agent.tools.lib.argument_types import FileName, FilePath
from agent.tools.lib.output import join_lines, safe_name
from agent.tools.lib.workspace import MAX_VISITED


@tool(may="read")
def find_files(context: ToolContext, name: FileName, path: FilePath | None = None) -> str:
    """Find files by a part of their name.

    A name with * or ? is a pattern for the whole name; one with a slash is compared with the whole path.
    """
    wanted = name.strip().lower().removeprefix("**/").removeprefix("./")
    if not wanted:
        raise ToolError("name is empty")
    if len(wanted) > 255:
        raise ToolError("name is longer than a file name can be")
    pattern = "*" in wanted or "?" in wanted
    files, complete = context.workspace.files(path)
    found = []
    for file in files:
        compared = (file if "/" in wanted else file.rpartition("/")[2]).lower()
        if fnmatchcase(compared, wanted) if pattern else wanted in compared:
            found.append(safe_name(file))
    remark = "" if complete else f"stopped after {MAX_VISITED} files"
    return join_lines(found or [f"no file name contains '{name}'"], remark)
