"""Typer's settings and the options that several groups of commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tui.cli import completion
from tui.cli.tree.usage import Group

PLAIN: dict[str, Any] = {
    "rich_markup_mode": None,
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "cls": Group,
}
"""Settings of every group: plain help, `umi completion` in place of typer's options, errors by `main`."""

Models = Annotated[
    str | None,
    typer.Option(metavar="B", help="A bundle's folder or name.", autocompletion=completion.model_names),
]
Workspace = Annotated[
    Path | None, typer.Option(metavar="D", help="The folder that tools may touch (default: this).")
]
ToolNames = Annotated[
    str | None,
    typer.Option(metavar="A,B", help="Offer only these tools.", autocompletion=completion.tool_names),
]
Session = Annotated[
    str | None,
    typer.Option("--session", metavar="ID", help="Go on from this session; the beginning of its id will do."),
]
AllowProtected = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Paths that tools may use though they are protected (repeatable)."),
]
Engine = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="URL",
        help="Run the models on this server, in OpenAI's protocol.",
    ),
]
MaxSteps = Annotated[int | None, typer.Option(metavar="N", help="Steps that call tools, at most.")]

Stage = Literal["backbone", "planner", "caller", "summarizer"]
Split = Literal["train", "valid", "test"]

Repository = Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Created if it does not exist.")]
Private = Annotated[bool, typer.Option("--private", help="Only for those you let in.")]
Json = Annotated[bool, typer.Option("--json", help="Print the figures as one object of JSON.")]
