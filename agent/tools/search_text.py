"""The tool `search_text`."""

from __future__ import annotations

from agent.errors import ToolError
from agent.tools.base import ToolContext, tool
from agent.tools.lib.argument_types import FilePath, Query
from agent.tools.lib.output import join_lines, safe_name, shorten
from agent.tools.lib.workspace import MAX_VISITED

MAX_CHARACTERS = 64 * 1024 * 1024
"""Maximum number of characters that one search reads."""
MAX_MATCHES = 1000
"""Maximum number of matching lines, far more than fit an observation."""
MAX_WIDTH = 200
"""Maximum number of characters shown of a line."""


@tool(may="read")
def search_text(context: ToolContext, query: Query, path: FilePath | None = None) -> str:
    """Search the text of files for words.

    The query is found as it stands, in any case. Binary files are passed over.
    """
    wanted = query.strip().lower()
    if not wanted:
        raise ToolError("query is empty")
    one_file = path is not None and not context.workspace.entry(path).is_folder
    files, complete = context.workspace.files(path)
    remark = "" if complete else f"stopped after {MAX_VISITED} files"
    found: list[str] = []
    read = 0
    for file in files:
        try:
            text, whole_file = context.workspace.read_text(file)
        except ToolError:
            if one_file:
                raise
            continue
        read += len(text)
        if not whole_file:
            remark = f"only the beginning of {safe_name(file)} was searched"
        found += _matching_lines(file, text, wanted)
        if len(found) >= MAX_MATCHES or read >= MAX_CHARACTERS:
            remark = f"stopped at {safe_name(file)}"
            break
    return join_lines(found[:MAX_MATCHES] or [f"no file contains '{shorten(query, 100)}'"], remark)


def _matching_lines(file: str, text: str, wanted: str) -> list[str]:
    """Return `FILE:NUMBER: LINE` for the lines of `text` that contain `wanted`, at most `MAX_MATCHES`."""
    if wanted not in text.lower():
        return []
    name = safe_name(file)
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        at = line.lower().find(wanted)
        if at >= 0:
            found.append(f"{name}:{number}: {_excerpt(line, at)}")
            if len(found) == MAX_MATCHES:
                break
    return found


def _excerpt(line: str, at: int) -> str:
    """Return at most `MAX_WIDTH` characters of `line`, including position `at`."""
    if len(line.strip()) <= MAX_WIDTH:
        return line.strip()
    start = max(0, at - MAX_WIDTH // 3)
    piece = line[start : start + MAX_WIDTH].strip()
    return ("…" if start else "") + piece + ("…" if start + MAX_WIDTH < len(line) else "")
