"""Every tool that can be offered: those built in, the user's own, and those of approved tool servers."""

from __future__ import annotations

from collections.abc import Sequence

from agent.paths import tool_servers_path
from agent.tools import BUILTIN_NAMES, OPTIONAL_NAMES, builtin_tools, optional_tools
from agent.tools.own import FoundTools, distinct, own_tools


def available_tools(names: Sequence[str] | None = None) -> FoundTools:
    """Return every tool that can be offered, the built-in ones first, and what was skipped and why.

    Optional tools are among them where `names` or, if that is None, the settings name them. Where `names` are
    those of tools that come with umi alone, no other source is looked at.
    """
    from agent.config import read_config

    optional = optional_tools(read_config().switched_on if names is None else names)
    if names is not None and set(names) <= {*BUILTIN_NAMES, *OPTIONAL_NAMES}:
        return FoundTools((*builtin_tools(), *optional))
    sources = [own_tools()]
    if tool_servers_path().exists():
        from agent.mcp.server_tools import server_tools  # most users have no list, and can do without

        sources.append(server_tools())
    problems = tuple(f"{tool.name} cannot be offered: {why}" for tool in optional if (why := tool.problem()))
    tools = (*builtin_tools(), *(tool for tool in optional if names is not None or not tool.problem()))
    reserved = tuple(tool for tool in optional_tools() if tool not in tools)
    for found in sources:
        new = distinct((*reserved, *tools), found.tools)
        tools += new.tools
        problems += found.problems + new.problems
    return FoundTools(tools, problems)
