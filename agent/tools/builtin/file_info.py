"""The tool `file_info`."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from agent.errors import ProtectedPathError
from agent.tools.base import ToolContext, tool
from agent.tools.lib.argument_types import FilePath
from agent.tools.lib.output import pluralize, safe_name
from agent.tools.lib.time_limit import check_time
from agent.tools.lib.workspace import Workspace, is_binary

CHUNK_SIZE = 1024 * 1024
MAX_COUNTED_SIZE = 256 * CHUNK_SIZE
"""Size in bytes up to which lines are counted."""


@tool(may="read", time_limit_s=10)
def file_info(context: ToolContext, path: FilePath) -> str:
    """Tell the size and date of a file."""
    entry = context.workspace.entry(path)
    changed = f"changed {datetime.fromtimestamp(entry.changed):%Y-%m-%d %H:%M}"
    name = safe_name(entry.path)
    if entry.is_folder:
        names, complete = context.workspace.names(path)
        entries = "entry" if len(names) == 1 else "entries"
        return f"{name}: folder with {'' if complete else 'more than '}{len(names)} {entries}, {changed}"
    lines = None
    if entry.is_file and entry.size <= MAX_COUNTED_SIZE:
        with suppress(ProtectedPathError):
            lines = _count_lines(context.workspace, path, entry.size)
    counts = [pluralize(entry.size, "byte")] + ([] if lines is None else [pluralize(lines, "line")])
    return f"{name}: {', '.join(counts)}, {changed}"


def _count_lines(workspace: Workspace, path: str, size: int) -> int | None:
    """Return the number of lines, counting a last one without a line end; None for a binary file.

    Of a file that grows, those of the first `size` bytes are counted.
    """
    lines, last, left = 0, b"\n", size
    with workspace.open(path) as file:
        while data := file.read(min(CHUNK_SIZE, left)):
            if left == size and is_binary(data):
                return None
            left -= len(data)
            check_time()
            lines += data.count(b"\n")
            last = data[-1:]
    return lines + (last != b"\n")
