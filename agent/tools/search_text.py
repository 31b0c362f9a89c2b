"""The tool that searches inside files."""

from __future__ import annotations

from agent.errors import ToolError
from agent.tools.base import ToolContext, tool
from agent.tools.lib.output import bounded, clipped, on_one_line
from agent.tools.lib.workspace import MAX_VISITED

MAX_CHARACTERS = 64 * 1024 * 1024
"""Characters that one search reads in all."""
MAX_MATCHES = 1000
"""Lines after which a search stops; far more than an observation shows."""
WIDTH = 200
"""Characters shown of a line."""


@tool(may="read")
def search_text(context: ToolContext, query: str, path: str | None = None) -> str:
    """Search the text of files for words.

    The query is found as it stands, in any case. Binary files are passed over.
    """
    wanted = query.strip().lower()
    if not wanted:
        raise ToolError("query is empty")
    one_file = path is not None and not context.workspace.entry(path).is_folder
    files, all_of_them = context.workspace.files(path)
    note = "" if all_of_them else f"stopped after {MAX_VISITED} files"
    found: list[str] = []
    read = 0
    for file in files:
        try:
            text, whole = context.workspace.read_text(file)
        except ToolError:
            if one_file:
                raise
            continue
        read += len(text)
        if not whole:
            note = f"only the beginning of {on_one_line(file)} was searched"
        found += _matches(file, text, wanted)
        if len(found) >= MAX_MATCHES or read >= MAX_CHARACTERS:
            note = f"stopped at {on_one_line(file)}"
            break
    return bounded(found[:MAX_MATCHES] or [f"no file contains '{clipped(query, 100)}'"], note)


def _matches(file: str, text: str, wanted: str) -> list[str]:
    """The lines of `text` that hold `wanted`, each with the file and the line's number."""
    if wanted not in text.lower():
        return []
    name = on_one_line(file)
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        at = line.lower().find(wanted)
        if at >= 0:
            found.append(f"{name}:{number}: {_around(line, at)}")
            if len(found) == MAX_MATCHES:
                break
    return found


def _around(line: str, at: int) -> str:
    """At most `WIDTH` characters of the line, with what stands at `at` among them."""
    if len(line.strip()) <= WIDTH:
        return line.strip()
    start = max(0, at - WIDTH // 3)
    piece = line[start : start + WIDTH].strip()
    return ("…" if start else "") + piece + ("…" if start + WIDTH < len(line) else "")
