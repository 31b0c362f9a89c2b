"""The root of the command tree: the chat, and the commands outside the groups.

Each command imports what it needs when it is called.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from agent.errors import InputError
from tui.cli import completion
from tui.cli.tree.bench import bench
from tui.cli.tree.config import config
from tui.cli.tree.evaluate import SUITE, evaluate
from tui.cli.tree.export import export
from tui.cli.tree.models import models as models_group
from tui.cli.tree.options import (
    PLAIN,
    AllowProtected,
    Engine,
    MaxSteps,
    Models,
    Session,
    ToolNames,
    Workspace,
)
from tui.cli.tree.servers import serve, serve_tools
from tui.cli.tree.sessions import sessions
from tui.cli.tree.tools import tools as tools_group
from tui.cli.tree.train import train
from tui.cli.tree.usage import ExtraGroup, default_command, usage_error
from tui.setup import Options, parse_tool_names

_ASKING = 'ask one question with `umi ask "…"`'

umi = typer.Typer(invoke_without_command=True, **PLAIN)


def run(argv: list[str]) -> int:
    """Run a command line and return its exit code. Raises UmiError for what cannot be done."""
    command = typer.main.get_command(umi)
    if (completed := completion.answer(command)) is not None:
        return completed
    try:
        # Not command.main(): it turns a broken pipe into exit code 1.
        with command.make_context("umi", argv) as context:
            code = command.invoke(context)
    except typer.TyperException as error:
        raise usage_error(error) from None
    except typer.Exit as error:
        return error.exit_code
    return code if isinstance(code, int) else 0


def _print_version(requested: bool) -> None:
    if requested:
        from tui.installation import installed_version

        print(f"umi {installed_version('umi-agent')}")
        raise typer.Exit()


def _require_one(go_on: bool, session: str | None) -> None:
    if go_on and session is not None:
        raise InputError("--continue and --session name two sessions", "give one of them")


@umi.callback()
def chat(
    ctx: typer.Context,
    models: Models = None,
    workspace: Workspace = None,
    tools: ToolNames = None,
    max_steps: MaxSteps = None,
    allow_protected: AllowProtected = None,
    engine: Engine = "",
    go_on: Annotated[
        bool, typer.Option("--continue", help="Resume the last session of this workspace.")
    ] = False,
    session: Session = None,
    web: Annotated[bool, typer.Option("--web", help="Open the chat to a browser of this machine.")] = False,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="With --web (default: a free one).")
    ] = 0,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> int:
    """An agent on three small local models. Without a command, it opens the chat."""
    options = Options(
        models, workspace, parse_tool_names(tools), max_steps, tuple(allow_protected or ()), engine=engine
    )
    _require_one(go_on, session)
    if ctx.invoked_subcommand:
        if options != Options() or go_on or session is not None or web or port:
            raise InputError(
                f"options stand before {ctx.invoked_subcommand}",
                f"put them behind it: umi {ctx.invoked_subcommand} …",
            )
        return 0
    if port and not web:
        raise InputError("--port applies only with --web", "give both")
    if web:
        if go_on or session is not None:
            raise InputError("--web opens new sessions", "resume one on the page with /sessions")
    else:
        _require_terminal()
    from tui.cli.models.build import open_models

    if not engine:
        open_models(models)  # deltas are built before the app takes the screen
    if web:
        return _serve(options, port)
    from tui.app.app import chat as run_chat
    from tui.app.sessions import AppSessions

    sessions = AppSessions(go_on=go_on, session=session)
    sessions.check()
    return run_chat(options, sessions)


def _require_terminal() -> None:
    """Raise InputError where the app cannot draw; in a browser it draws through a pipe."""
    if os.environ.get("TEXTUAL_DRIVER", "").endswith(":WebDriver"):
        return
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise InputError("the chat needs a terminal", _ASKING)
    if os.environ.get("TERM") == "dumb":
        raise InputError("the chat needs a terminal that can place text, and TERM is dumb", _ASKING)


def _serve(options: Options, port: int) -> int:
    """Serve the chat with these options to browsers; return the exit code."""
    try:
        from tui.web.server import serve
    except ModuleNotFoundError as error:
        raise InputError(
            f"`umi --web` needs {error.name}, which is not installed", "pip install 'umi-agent[web]'"
        ) from None
    given = {
        "--models": options.models,
        "--workspace": options.workspace and str(options.workspace.absolute()),
        "--tools": ",".join(options.tools) if options.tools else None,
        "--max-steps": options.max_steps,
        "--engine": options.engine or None,
    }
    words = [word for name, value in given.items() if value is not None for word in (name, str(value))]
    words += [word for pattern in options.allow_protected for word in ("--allow-protected", pattern)]
    return serve(words, port)


@umi.command(short_help="Answer one question; piped input joins it.")
def ask(
    question: Annotated[
        list[str] | None, typer.Argument(help="What you want to know.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print every event as a line of JSON.")] = False,
    final: Annotated[bool, typer.Option("--final", help="With --json, print only the last event.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no steps, only the answer.")] = False,
    file: Annotated[
        list[str] | None, typer.Option("--file", metavar="F", help="Attach a text file (repeatable).")
    ] = None,
    template: Annotated[
        str | None, typer.Option(metavar="NAME", help="A template of the config, for the question to fill.")
    ] = None,
    models: Models = None,
    workspace: Workspace = None,
    tools: ToolNames = None,
    go_on: Annotated[
        bool, typer.Option("--continue", help="Go on from the last question asked in this workspace.")
    ] = False,
    session: Session = None,
    no_save: Annotated[bool, typer.Option("--no-save", help="Leave nothing among the sessions.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Allow every call that needs permission.")] = False,
    max_steps: MaxSteps = None,
    allow_protected: AllowProtected = None,
    engine: Engine = "",
    record: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Append the conversation to these training rows.")
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Leave control characters in an answer that is piped as they are.")
    ] = False,
    timings: Annotated[
        bool, typer.Option("--timings", help="Print on stderr where the time went, role by role.")
    ] = False,
) -> int:
    """Answer one question: the answer on stdout, the steps on stderr. Piped input joins the question."""
    from tui.cli.ask import Output
    from tui.cli.ask import ask as run_ask

    if final and not json:
        raise InputError("--final applies only with --json", "give both, or --quiet for the answer alone")
    _require_one(go_on, session)
    options = Options(
        models,
        workspace,
        parse_tool_names(tools),
        max_steps,
        tuple(allow_protected or ()),
        tuple(file or ()),
        engine,
    )
    output: Output = "final" if final else "events" if json else "quiet" if quiet else "text"
    return run_ask(
        question or [],
        options,
        output=output,
        template=template,
        yes=yes,
        record=record,
        go_on=go_on,
        session=session,
        save=not no_save,
        raw=raw,
        timed=timings,
    )


@umi.command(short_help="Undo a tool's write: restore the file.")
def undo(
    write: Annotated[
        int | None, typer.Argument(metavar="[ID]", help="A write (default: the last).", show_default=False)
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show the writes that can be undone.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Undo though the file was changed since.")] = False,
) -> int:
    """Take back a write of a tool: the file holds again what it held before."""
    from tui.cli.undo import list_writes, undo_write

    if list_:
        if write is not None or force:
            raise InputError("--list stands alone", "see the writes with: umi undo --list")
        return list_writes()
    return undo_write(write, force=force)


umi.add_typer(models_group, name="models")
umi.add_typer(tools_group, name="tools")
umi.add_typer(sessions, name="sessions")
umi.add_typer(config, name="config", short_help="Show and change settings.")
umi.add_typer(evaluate, name="eval", cls=default_command(SUITE), short_help="Score models.")


umi.command(short_help="Measure the speed, memory and tool choice of models.")(bench)
umi.command(short_help="Serve the model to other programs (OpenAI's protocol).")(serve)
umi.command("mcp", short_help="Serve umi's tools to another program (MCP).")(serve_tools)


@umi.command(short_help="Check the installation and the disk space it takes.")
def doctor(
    clean: Annotated[
        bool, typer.Option("--clean", help="Only remove caches and unfinished downloads.")
    ] = False,
) -> int:
    """Look at everything that umi needs, say what to mend, and what takes room on the disk."""
    from tui.cli.doctor import clean as remove
    from tui.cli.doctor import examine

    return remove() if clean else examine()


@umi.command("completion", short_help="Print the completion script of a shell.")
def print_completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="The shell that evaluates it.")],
) -> None:
    """Print what makes a shell complete umi's command lines: eval "$(umi completion bash)"."""
    print(completion.script(shell))


umi.add_typer(train, name="train", cls=ExtraGroup, short_help="Train models (needs the extra `train`).")
umi.add_typer(
    export, name="export", cls=ExtraGroup, short_help="Make a bundle of a run (needs the extra `export`)."
)
