"""`umi tools servers` and `umi tools approve`: servers of other programs, and the approval of their tools."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

from agent.errors import InputError
from agent.mcp.definitions import approved_server
from agent.mcp.review import accept, find_server, review, take_server
from agent.mcp.servers import ToolServer, offered_servers, user_servers
from agent.paths import tool_servers_path
from agent.tools import Workspace
from tui.cli.terminal.progress import say
from tui.cli.terminal.terminal_approval import discard_typed_ahead
from tui.server_text import review_lines, server_lines
from tui.text import count_text, one_line


def list_servers(workspace: Path) -> int:
    """Print the user's servers and those that the workspace offers; return the exit code."""
    root = Workspace(workspace).root
    mine, offered = user_servers(), offered_servers(root)
    for server in mine.servers:
        approved = approved_server(server)
        tools = f"{count_text(len(approved.specs), 'tool')} approved" if approved else "not approved"
        print(f"{one_line(server.name)}: {tools}: {one_line(server.described(), 200)}")
    if not mine.servers:
        print(f"there are no tool servers in {tool_servers_path()}")
    for server in offered.servers:
        print(
            f"{one_line(server.name)}: offered by this folder, not used: {one_line(server.described(), 200)}"
        )
    for problem in (*mine.problems, *offered.problems):
        say(f"umi: {one_line(problem, 300)}")
    return 0


def approve_server(name: str, workspace: Path, *, yes: bool = False) -> int:
    """Show the tools of a server and offer them once they are approved; return the exit code.

    A server that only the workspace lists is shown first, and copied into the user's list where its use is
    approved. Raise InputError where nobody is there to approve, and as `review` does.
    """
    root = Workspace(workspace).root
    server, offered = find_server(name, root)
    if offered and not _takes(server, root):
        return 3
    reviewed = review(server, root)
    for line in review_lines(reviewed):
        print(line)
    if not reviewed.changes and approved_server(server):
        return 0
    if not (yes or _confirmed(f"offer the tools of {one_line(server.name)} to the models")):
        say("umi: nothing was changed")
        return 3
    for problem in accept(reviewed, root):
        say(f"umi: {one_line(problem, 300)}")
    found = approved_server(server)
    tools = count_text(len(found.specs) if found else 0, "tool")
    print(f"{tools} of {one_line(server.name)} can be offered; each call asks first")
    return 0


def _takes(server: ToolServer, root: Path) -> bool:
    """Ask whether a server that the workspace offers may be run, and copy it into the user's list."""
    say(f"this folder offers the server {one_line(server.name)}, which is not in your own list:")
    for line in server_lines(server):
        print(f"  {line}")
    if not _confirmed("copy it into your list and start it"):
        say("umi: nothing was changed")
        return False
    take_server(server, root)
    return True


def _confirmed(what: str) -> bool:
    """Ask the person at the terminal; a number is typed that is drawn for the question."""
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr)):
        raise InputError(f"nobody is there to be asked whether to {what}", "run this in a terminal")
    discard_typed_ahead()
    number = str(100 + secrets.randbelow(900))
    print(f"  type {number} to {what}; anything else does not: ", end="", file=sys.stderr, flush=True)
    try:
        return input().strip() == number
    except (EOFError, KeyboardInterrupt):
        return False
