"""The approved tools of the user's servers, as tools that models can call.

Their definitions are those that were approved; a server is started by the first call of one of its tools.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any

from agent.errors import InputError, ToolError, UmiError
from agent.mcp.definitions import ApprovedServer, Definition, approved_server
from agent.mcp.schema import without_patterns
from agent.mcp.servers import ToolServer, user_servers
from agent.tools.base import Tool, ToolContext
from agent.tools.own import FoundTools
from agent.transcript import ToolSpec

MISSING = "tool servers need the package mcp, which is not installed"
INSTALL = "pip install 'umi-agent[mcp]'"


def server_tools() -> FoundTools:
    """Return the approved tools of the servers in the user's list, and what stands in the way of others."""
    found = user_servers()
    if not found.servers:
        return FoundTools((), found.problems)
    if find_spec("mcp") is None:
        return FoundTools((), (*found.problems, f"{MISSING}; {INSTALL}"))
    tools: list[Tool] = []
    problems = list(found.problems)
    for server in found.servers:
        try:
            approved = approved_server(server)
        except UmiError as error:
            return FoundTools((), (*problems, str(error)))
        if approved is None:
            problems.append(
                f"nothing of the server {server.name} is approved; see `umi tools approve {server.name}`"
            )
        else:
            tools += _tools_of(server, approved)
    return FoundTools(tuple(tools), tuple(problems))


def require_sdk() -> None:
    """Raise InputError where the package mcp is not installed."""
    if find_spec("mcp") is None:
        raise InputError(MISSING, INSTALL)


def _tools_of(server: ToolServer, approved: ApprovedServer) -> list[Tool]:
    defined = {tool.name: tool for tool in approved.tools}
    return [
        Tool(
            spec,
            "execute" if server.is_local else "network",
            _function(server, defined[own]),
            partial(_checked, spec),
            takes_context=True,
            untrusted_description=True,
            time_limit_s=server.entry.time_limit_s,
            source=f"the server {server.name}: {server.described()}",
        )
        for own, spec in approved.specs.items()
        if own in defined
    ]


def _function(server: ToolServer, definition: Definition) -> Callable[..., str]:
    def call(context: ToolContext, /, **arguments: Any) -> str:
        from agent.mcp.connection import connection  # loads the SDK

        return connection(server, context.workspace.root).call(definition, arguments)

    return call


def _checked(spec: ToolSpec, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the arguments if they fit what the models read of a tool. Raise ToolError.

    Patterns are left to the grammar and the server: Python's regular expressions may take any time.
    """
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(without_patterns(spec.parameters))
    for error in validator.iter_errors(dict(arguments)):
        where = ".".join(map(str, error.absolute_path)) or "arguments"
        raise ToolError(f"{where}: {error.message[:200]}")
    unknown = sorted(arguments.keys() - spec.parameters.get("properties", {}).keys())
    if unknown and "additionalProperties" not in spec.parameters:
        raise ToolError(f"{unknown[0]}: there is no such parameter")
    return arguments
