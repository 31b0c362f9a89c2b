"""Review of a server by the user: what it defines, what of that is new or changed, and its approval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from agent.consent.audit import AuditLog
from agent.consent.policy import forget_tools
from agent.errors import InputError, ToolError
from agent.mcp.definitions import Changes, Definition, approve, approved_server, changes, read_approved
from agent.mcp.server_tools import require_sdk
from agent.mcp.servers import ToolServer, add_server, offered_servers, user_servers
from agent.tools.lib.time_limit import run_limited


@dataclass(frozen=True)
class Review:
    """The tools that a server defines, and how they differ from those approved."""

    server: ToolServer
    listed: tuple[Definition, ...]
    changes: Changes


def find_server(name: str, workspace: Path) -> tuple[ToolServer, bool]:
    """Return the server called `name`, and whether only a list in the workspace has it. Raise InputError."""
    mine, offered = user_servers(), offered_servers(workspace)
    if (server := mine.get(name)) is not None:
        return server, False
    if (server := offered.get(name)) is not None:
        return server, True
    for problem in mine.problems:
        if f" {name!r} " in problem:
            raise InputError(problem, "mend it first")
    names = [server.name for server in (*mine.servers, *offered.servers)]
    near = get_close_matches(name, names, n=1)
    raise InputError(
        f"there is no tool server {name!r}", f"did you mean {near[0]}?" if near else "see `umi tools servers`"
    )


def take_server(server: ToolServer, workspace: Path) -> None:
    """Copy a server that a workspace offers into the user's own list."""
    AuditLog(workspace).record_change("server", name=server.name, runs=server.described())
    add_server(server)


def review(server: ToolServer, workspace: Path, cancelled: Callable[[], bool] = lambda: False) -> Review:
    """Start a server of the user's list where it is not running, and ask it for its tools.

    Raise InputError where it cannot be used, or does not answer in its time limit.
    """
    require_sdk()
    from agent.mcp.connection import connection

    found: list[Definition] = []

    def ask() -> str:
        found.extend(connection(server, workspace).listed(anew=True))
        return ""

    try:
        run_limited(ask, server.entry.time_limit_s, cancelled)
    except ToolError as error:
        raise InputError(str(error), f"see what it is in {server.described()[:200]!r}") from None
    return Review(server, tuple(found), changes(server, found))


def accept(reviewed: Review, workspace: Path) -> tuple[str, ...]:
    """Offer the reviewed tools from here on; return a line for each that cannot be.

    What was allowed in advance of a tool that is new, changed or gone is asked about again.
    """
    server = reviewed.server
    before = read_approved().get(server.name)
    known = approved_server(server)
    same = [tool.name for tool in known.tools if tool in reviewed.listed] if known else []
    AuditLog(workspace).record_change(
        "approval", server=server.name, tools=[tool.name for tool in reviewed.listed]
    )
    problems = approve(server, reviewed.listed)
    found = approved_server(server)
    assert found is not None
    specs = [*found.specs.items(), *(before.specs.items() if before else ())]
    forget_tools({spec.name for own, spec in specs if own not in same})
    return problems
