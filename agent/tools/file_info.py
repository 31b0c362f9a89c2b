"""The tool that tells a file's size and date."""

from __future__ import annotations

from datetime import datetime

from agent.tools.base import ToolContext, tool
from agent.tools.lib.output import counted, on_one_line
from agent.tools.lib.workspace import Workspace, is_binary

CHUNK = 1024 * 1024
MAX_COUNTED = 256 * CHUNK
"""Bytes up to which lines are counted."""


@tool(may="read")
def file_info(context: ToolContext, path: str) -> str:
    """Tell the size and date of a file."""
    entry = context.workspace.entry(path)
    changed = f"changed {datetime.fromtimestamp(entry.changed):%Y-%m-%d %H:%M}"
    name = on_one_line(entry.path)
    if entry.is_folder:
        inside = len(context.workspace.entries(path))
        return f"{name}: folder with {inside} {'entry' if inside == 1 else 'entries'}, {changed}"
    lines = _lines(context.workspace, path) if entry.is_file and entry.size <= MAX_COUNTED else None
    counts = [counted(entry.size, "byte")] + ([] if lines is None else [counted(lines, "line")])
    return f"{name}: {', '.join(counts)}, {changed}"


def _lines(workspace: Workspace, path: str) -> int | None:
    """The lines of a text file, a last one without its newline included; None for a binary file."""
    lines, last = 0, b"\n"
    with workspace.open(path) as file:
        first = True
        while data := file.read(CHUNK):
            if first and is_binary(data):
                return None
            first = False
            lines += data.count(b"\n")
            last = data[-1:]
    return lines + (last != b"\n")
