"""A tool server in words: what it runs, and which of its tools are new or changed."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import unified_diff
from typing import TYPE_CHECKING

from agent.transcript import compact
from tui.text import count_text, visible

if TYPE_CHECKING:
    from agent.mcp.definitions import Definition
    from agent.mcp.review import Review
    from agent.mcp.servers import ToolServer

MAX_SHOWN = 4000
"""Characters of a definition that are shown."""


def server_lines(server: ToolServer) -> list[str]:
    """Return what a server is, in lines."""
    entry = server.entry
    lines = [f"{'runs' if server.is_local else 'asks'}  {visible(server.described())}"]
    lines += [f"with  {visible(name)}={visible(value)}" for name, value in entry.env.items()]
    lines += [f"with the header  {visible(name)}: {visible(value)}" for name, value in entry.headers.items()]
    return lines + ([f"in    {visible(entry.cwd)}"] if entry.cwd else [])


def review_lines(review: Review) -> Iterator[str]:
    """Yield the tools of a server that are new or changed, whole, and those that are gone."""
    found = review.changes
    if not found:
        yield f"{count_text(len(review.listed), 'tool')}, all as they were approved"
        return
    for tool in found.new:
        yield f"new: {visible(tool.name)}"
        yield from (f"  {line}" for line in _definition(tool))
    for old, new in found.changed:
        yield f"changed: {visible(new.name)}"
        diff = list(unified_diff(_definition(old), _definition(new), lineterm="", n=1))[2:]
        yield from (f"  {line}" for line in diff if not line.startswith("@@"))
    for name in found.gone:
        yield f"gone: {visible(name)}"


def _definition(tool: Definition) -> list[str]:
    """Return the lines of a definition: all that the server says of it, of which models read less."""
    text = visible(tool.description or "(it says nothing of itself)")
    properties = tool.schema.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    rest = {key: value for key, value in tool.schema.items() if key not in ("properties", "$schema")}
    lines = [
        *text[:MAX_SHOWN].splitlines(),
        *(f"{name}: {compact(value)}" for name, value in properties.items()),
    ]
    return [visible(line)[:MAX_SHOWN] for line in (*lines, compact(rest))]
