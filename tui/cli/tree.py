"""The command tree of `umi`. Each command imports what it needs when it is called.

Exit codes: 0 answered or done, 1 a fault of ours, 2 bad usage or input, 3 gave up, 4 step limit,
130 cancelled.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from agent.errors import InputError
from tui.cli.usage import Group, usage_error
from tui.setup import STEPS, Options, tool_names

_PLAIN = {"rich_markup_mode": None, "add_completion": False, "pretty_exceptions_enable": False, "cls": Group}
_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
_PASS_ON |= {"allow_interspersed_args": False}

umi = typer.Typer(invoke_without_command=True, **_PLAIN)
models_commands = typer.Typer(help="The model bundles at hand.", **_PLAIN)
settings_commands = typer.Typer(help="How models are computed: threads, GPU, cache.", **_PLAIN)
tools_commands = typer.Typer(help="The tools that models can call.", **_PLAIN)
umi.add_typer(models_commands, name="models")
umi.add_typer(tools_commands, name="tools")
umi.add_typer(settings_commands, name="settings")

Models = Annotated[str | None, typer.Option(metavar="B", help="A bundle's folder or name.")]
Workspace = Annotated[
    Path | None, typer.Option(metavar="D", help="The folder that tools may touch (default: this).")
]
ToolNames = Annotated[str | None, typer.Option(metavar="A,B", help="Offer only these tools.")]
MaxSteps = Annotated[int, typer.Option(metavar="N", help="Steps that call tools, at most.")]


def run(argv: list[str]) -> int:
    """Run the command line and return its exit code. Raises UmiError for what cannot be done."""
    command = typer.main.get_command(umi)
    try:
        # Not command.main(): it turns a broken pipe into exit code 1.
        with command.make_context("umi", argv) as context:
            code = command.invoke(context)
    except typer.TyperException as error:
        raise usage_error(error) from None
    except typer.Exit as error:
        return error.exit_code
    return code if isinstance(code, int) else 0


def _version(wanted: bool) -> None:
    if wanted:
        from tui.cli.doctor import version

        print(f"umi {version('umi-agent')}")
        raise typer.Exit()


@umi.callback()
def app(
    ctx: typer.Context,
    models: Models = None,
    workspace: Workspace = None,
    tools: ToolNames = None,
    max_steps: MaxSteps = STEPS,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> int:
    """An agent on three small local models. Without a command, it opens the chat."""
    options = Options(models, workspace, tool_names(tools), max_steps)
    if ctx.invoked_subcommand:
        if options != Options():
            raise InputError(
                f"options stand before {ctx.invoked_subcommand}",
                f"put them behind it: umi {ctx.invoked_subcommand} …",
            )
        return 0
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise InputError("the chat needs a terminal", 'ask one question with `umi ask "…"`')
    from tui.app.app import chat

    return chat(options)


@umi.command()
def ask(
    question: Annotated[
        list[str] | None, typer.Argument(help="What you want to know.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print every event as a line of JSON.")] = False,
    models: Models = None,
    workspace: Workspace = None,
    tools: ToolNames = None,
    yes: Annotated[bool, typer.Option("--yes", help="Approve every call that writes.")] = False,
    max_steps: MaxSteps = STEPS,
    record: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Append the conversation to these training rows.")
    ] = None,
) -> int:
    """Answer one question: the answer on stdout, the steps on stderr. Piped input joins the question."""
    from tui.cli.ask import ask as run_ask

    options = Options(models, workspace, tool_names(tools), max_steps)
    return run_ask(question or [], options, as_json=json, yes=yes, record=record)


@tools_commands.command("list")
def tools_list() -> None:
    """Every tool, what it may touch, and what it does."""
    from tui.cli.listing import print_tools

    print_tools()


@tools_commands.command("show")
def tools_show(name: Annotated[str, typer.Argument()]) -> None:
    """One tool, as the models are told of it."""
    from tui.cli.listing import print_tool

    print_tool(name)


BundleName = Annotated[
    str | None, typer.Argument(metavar="[B]", help="A folder or name (default: the one in use).")
]


@models_commands.command("list")
def models_list() -> None:
    """The bundles at hand; a star marks the one in use."""
    from tui.cli.listing import print_bundles

    print_bundles()


@models_commands.command("show")
def models_show(bundle: BundleName = None) -> None:
    """What a bundle's manifest says."""
    from tui.cli.listing import print_bundle

    print_bundle(bundle)


RoleModel = Annotated[
    Path | None, typer.Option(metavar="F", help="Its model, or its adapter beside --backbone.")
]


@models_commands.command("assemble")
def models_assemble(
    out: Annotated[Path, typer.Argument(help="The folder to make.")],
    planner: RoleModel = None,
    caller: RoleModel = None,
    summarizer: RoleModel = None,
    backbone: Annotated[Path | None, typer.Option(metavar="F", help="One model for all three roles.")] = None,
    dialect: Annotated[str, typer.Option(help="umi, or chat for a stock instruct model.")] = "umi",
    context: Annotated[int, typer.Option(metavar="TOKENS", help="Default: the model's own, up to 8192.")] = 0,
) -> None:
    """Make a bundle of GGUF files: three models, a backbone with three adapters, or one stock model."""
    from tui.cli.listing import print_assembled

    given = {"planner": planner, "caller": caller, "summarizer": summarizer}
    print_assembled(out, given, backbone, dialect, context)


@models_commands.command("verify")
def models_verify(bundle: BundleName = None) -> None:
    """Compare every file of a bundle with its manifest."""
    from tui.cli.listing import verify_bundle

    verify_bundle(bundle)


@models_commands.command("pull")
def models_pull(
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME[@REVISION]", help="A repository.")],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What to call it here.")] = None,
) -> None:
    """Download a bundle from the Hugging Face hub; goes on where it stopped."""
    from tui.cli.listing import print_pulled

    print_pulled(repository, name)


@models_commands.command("remove")
def models_remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A bundle among your own.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> int:
    """Delete a bundle of your own."""
    from tui.cli.listing import remove_bundle

    return remove_bundle(name, yes=yes)


@models_commands.command("use")
def models_use(
    bundle: Annotated[str, typer.Argument(metavar="B", help="A bundle's folder or name.")],
) -> None:
    """Run this bundle from now on."""
    from tui.cli.listing import use_bundle

    use_bundle(bundle)


@umi.command("eval")
def evaluate(
    suite: Annotated[Path, typer.Argument(metavar="SUITE", help="A file of held-out schema-1 rows.")],
    models: Models = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Only the first N rows.")] = 1_000_000,
    through_ask: Annotated[
        bool, typer.Option("--through-ask", help="Ask each question in a `umi ask` of its own (slower).")
    ] = False,
) -> int:
    """Score models on held-out questions, step by step and whole, beside what needs no model."""
    from tui.cli.evaluate import evaluate_suite

    return evaluate_suite(suite, models, as_json=json, limit=limit, through_ask=through_ask)


@settings_commands.command("show")
def settings_show() -> None:
    """Every engine setting, and what it may be."""
    from tui.cli.listing import print_settings

    print_settings()


@settings_commands.command("set")
def settings_set(
    name: Annotated[str, typer.Argument()],
    value: Annotated[str, typer.Argument(help="The new value, or default.")],
) -> None:
    """Change an engine setting for every later run."""
    from agent.settings import set_engine
    from tui.cli.listing import print_settings

    set_engine(name, value)
    print_settings()


@umi.command()
def bench(
    models: Models = None,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as one object of JSON.")] = False,
    systems: Annotated[
        str | None, typer.Option(metavar="A,B", help="Measure only these (default: everything).")
    ] = None,
    threads: Annotated[
        int, typer.Option(metavar="N", min=0, help="Threads to compute with (default: measured).")
    ] = 0,
) -> int:
    """Measure models on a fixed conversation: what is read, seconds, memory, beside other ways to run it."""
    from tui.bench.command import bench as run_bench

    return run_bench(models, as_json=json, only=systems, threads=threads)


@umi.command()
def doctor() -> int:
    """Look at everything that umi needs and say what to mend."""
    from tui.cli.doctor import examine

    return examine()


@umi.command(context_settings=_PASS_ON, add_help_option=False)
def train(ctx: typer.Context) -> int:
    """Make models: data, base, the two stages (needs the extra `train`)."""
    from tui.cli.extras import run_extra

    return run_extra("train", ctx.args)


@umi.command(context_settings=_PASS_ON, add_help_option=False)
def export(ctx: typer.Context) -> int:
    """Make a bundle of trained models (needs the extra `export`)."""
    from tui.cli.extras import run_extra

    return run_extra("export", ctx.args)
