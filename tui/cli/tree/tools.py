"""`umi tools …`: the tools that models can call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tui.cli.tree.options import PLAIN, Workspace

tools = typer.Typer(help="The tools that models can call.", **PLAIN)


@tools.command("list", short_help="List every tool, what it may do and what it does.")
def list_tools() -> None:
    """Every tool, what it may touch, and what it does; then, on stderr, what was skipped and why."""
    from agent.tool_sources import available_tools
    from agent.tools import optional_tools
    from tui.cli.terminal.progress import say
    from tui.text import one_line

    found = available_tools()
    on = {tool.name for tool in found.tools}
    off = [tool for tool in optional_tools() if tool.name not in on]
    available = sorted([*found.tools, *off], key=lambda tool: tool.name)
    width = max(len(tool.name) for tool in available)
    for tool in available:
        state = "" if tool.name in on else " (off)"
        print(f"{tool.name:{width}}  {tool.may:7}  {one_line(tool.spec.description)}{state}")
    for problem in found.problems:
        say(f"umi: {one_line(problem, 300)}")


@tools.command("show")
def show_tool(name: Annotated[str, typer.Argument()]) -> None:
    """One tool, as the models are told of it."""
    import json

    from agent.tool_sources import available_tools
    from agent.tools.toolbox import select_tools
    from tui.text import json_without_controls, one_line

    tool = select_tools(available_tools([name]).tools, [name])[0]
    asks = "" if tool.may == "read" else " (asks where models read text of files or programs)"
    asks = " (asks first)" if tool.asks(untrusted=False) else asks
    print(f"{tool.name}\nfrom: {one_line(tool.source, 300)}\nmay: {tool.may}{asks}")
    print(f"{one_line(tool.spec.description)}\n")
    print(json_without_controls(json.dumps(tool.spec.parameters, indent=2, ensure_ascii=False)))


@tools.command("new", short_help="Write a tool of your own and its test.")
def new_tool(
    name: Annotated[str, typer.Argument(help="A name such as count_words.")],
    may: Annotated[
        Literal["read", "note", "write", "execute", "network"], typer.Option(help="What it may do.")
    ] = "read",
) -> None:
    """Write a tool of your own and its test, for you to change."""
    from agent.tools.new_tool import write_new_tool

    tool, test = write_new_tool(name, may)
    print(f"{tool}\n{test}")


@tools.command("servers", short_help="List the tool servers (MCP).")
def list_servers(workspace: Workspace = None) -> int:
    """The servers of other programs (MCP): yours, and what this folder offers."""
    from tui.cli.tool_servers import list_servers

    return list_servers(workspace or Path())


@tools.command("approve", short_help="Approve the tools of a server.")
def approve_server(
    server: Annotated[str, typer.Argument(help="A server of your list, or one that this folder offers.")],
    workspace: Workspace = None,
    yes: Annotated[bool, typer.Option("--yes", help="Approve what it defines without a question.")] = False,
) -> int:
    """Start a server, show the tools that it defines, and offer them once you approve."""
    from tui.cli.tool_servers import approve_server

    return approve_server(server, workspace or Path(), yes=yes)


@tools.command("allowed", short_help="List what each folder allows and refuses.")
def list_allowed() -> None:
    """The rules of every folder: what runs there without a question, and what is refused."""
    from agent.consent.policy import read_permissions
    from tui.text import one_line

    for folder, rules in sorted(read_permissions().folders.items()):
        tools = ", ".join(f"{rule} {one_line(name)}" for name, rule in sorted(rules.tools.items()))
        print(f"{one_line(folder)}  starts in mode {rules.mode}  {tools}".rstrip())


@tools.command("revoke", short_help="Revoke a permission of this folder.")
def revoke(name: Annotated[str, typer.Argument(help="A tool, or all.")], workspace: Workspace = None) -> None:
    """Ask again before a tool runs that was allowed in this folder."""
    from agent.consent.audit import AuditLog
    from agent.consent.policy import Policy
    from agent.errors import InputError
    from agent.tools import Workspace as Folder

    root = Folder(workspace or Path()).root
    if not Policy(root, AuditLog(root)).revoke("" if name == "all" else name):
        tool = "any tool" if name == "all" else name
        raise InputError(f"no rule allows {tool} in {root}", "see `umi tools allowed`")
