"""Every tool that can be offered: those built in, the user's own, and those of approved tool servers."""

from __future__ import annotations

from collections.abc import Sequence

from agent.paths import tool_servers_path
from agent.tools import BUILTIN_NAMES, builtin_tools
from agent.tools.own import FoundTools, distinct, own_tools


def available_tools(names: Sequence[str] | None = None) -> FoundTools:
    """Return every tool that can be offered, the built-in ones first, and what was skipped and why.

    Where `names` are those of built-in tools alone, no other source is looked at.
    """
    tools = builtin_tools()
    if names is not None and set(names) <= set(BUILTIN_NAMES):
        return FoundTools(tools)
    sources = [own_tools()]
    if tool_servers_path().exists():
        from agent.mcp.server_tools import server_tools  # most users have no list, and can do without

        sources.append(server_tools())
    problems: tuple[str, ...] = ()
    for found in sources:
        new = distinct(tools, found.tools)
        tools += new.tools
        problems += found.problems + new.problems
    return FoundTools(tools, problems)
