"""The tool `read_file`."""

from __future__ import annotations

from agent.errors import ToolError
from agent.tools.base import ToolContext, tool
from agent.tools.lib.argument_types import FilePath
from agent.tools.lib.output import join_lines, pluralize


@tool(may="read", time_limit_s=10)
def read_file(
    context: ToolContext, path: FilePath, start_line: int | None = None, end_line: int | None = None
) -> str:
    """Read a text file.

    Lines count from 1, and `end_line` is the last one read.
    """
    text, complete = context.workspace.read_text(path)
    if not text:
        return "the file is empty"
    lines = text.removesuffix("\n").split("\n")
    start = 1 if start_line is None else start_line
    end = len(lines) if end_line is None else end_line
    if start < 1:
        raise ToolError("start_line is less than 1")
    if end < start and end_line is not None:
        raise ToolError("end_line is before start_line")
    if start > len(lines):
        least = "" if complete else "more than can be read; the first part has "
        raise ToolError(f"{path} has {least}{pluralize(len(lines), 'line')}")
    truncated = not complete and end >= len(lines)
    return join_lines(
        lines[start - 1 : end],
        "the file is longer than can be read" if truncated else "",
        numbers=(start, len(lines)),
    )
