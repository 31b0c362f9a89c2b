"""`umi eval …`: scores of models on held-out questions and public benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui.cli.tree.options import PLAIN, Json, Models

SUITE = "suite"
"""The command of the group that `umi eval FILE` stands for."""

ManyModels = Annotated[
    list[str] | None,
    typer.Option("--models", metavar="B", help="A bundle's folder or name; may be given again to compare."),
]
Published = Annotated[
    list[Path], typer.Argument(metavar="PATH", help="Files as published, or folders of them.")
]
Limit = Annotated[
    int,
    typer.Option(metavar="N", min=1, help="Only the first N questions of each file.", show_default=False),
]
FirstRows = Annotated[
    int, typer.Option(metavar="N", min=1, help="Only the first N rows.", show_default=False)
]
ALL = 1_000_000
"""More rows or questions than there are."""

evaluate = typer.Typer(
    help="Score models: `umi eval FILE` on held-out rows, or on a benchmark that a command names.", **PLAIN
)


@evaluate.command(SUITE, short_help="Held-out rows, by step and whole (the default).")
def suite(
    suite: Annotated[Path, typer.Argument(metavar="SUITE", help="A file of held-out schema-1 rows.")],
    models: Models = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    limit: FirstRows = ALL,
    through_ask: Annotated[
        bool, typer.Option("--through-ask", help="Ask each question in a `umi ask` of its own (slower).")
    ] = False,
) -> int:
    """Score models on held-out questions, by step and whole, beside what needs no model (the default)."""
    from tui.evaluation.suite import evaluate_suite

    return evaluate_suite(suite, models, as_json=json, limit=limit, through_ask=through_ask)


@evaluate.command(short_help="BFCL v4 (Berkeley): its single turns in Python.")
def bfcl(paths: Published, models: ManyModels = None, limit: Limit = ALL, json: Json = False) -> int:
    """Berkeley Function-Calling Leaderboard v4: single turns in Python, by our own form of its AST rules."""
    from agent.evaluation.benchmarks.bfcl import read_bfcl
    from tui.evaluation.benchmarks import evaluate_benchmark

    return evaluate_benchmark(read_bfcl(paths, limit), models or [], as_json=json)


@evaluate.command(short_help="ToolAlpaca, by exact names and arguments.")
def toolalpaca(paths: Published, models: ManyModels = None, limit: Limit = ALL, json: Json = False) -> int:
    """ToolAlpaca's evaluation, by exact names and arguments (the published judge is a large model)."""
    from agent.evaluation.benchmarks.toolalpaca import read_toolalpaca
    from tui.evaluation.benchmarks import evaluate_benchmark

    return evaluate_benchmark(read_toolalpaca(paths, limit), models or [], as_json=json)


@evaluate.command(short_help="The static metrics of the alpha-UMi paper.")
def paper(
    rows: Annotated[list[Path], typer.Argument(metavar="FILE", help="Files of schema-1 rows.")],
    models: ManyModels = None,
    limit: FirstRows = ALL,
    json: Json = False,
) -> int:
    """The static metrics of the alpha-UMi paper for every step of schema-1 rows, as released and strict."""
    from agent.evaluation.benchmarks.paper import read_paper
    from tui.evaluation.benchmarks import evaluate_benchmark

    return evaluate_benchmark(read_paper(rows, limit), models or [], as_json=json)


@evaluate.command(short_help="Find the margin below which calls are asked about.")
def margins(
    rows: Annotated[Path, typer.Argument(metavar="FILE", help="A file of held-out schema-1 rows.")],
    models: Models = None,
    made: Annotated[
        float, typer.Option(metavar="SHARE", min=0.5, max=1, help="Calls that are made without asking.")
    ] = 0.9,
    save: Annotated[
        bool, typer.Option("--save", help="Write the least margins into the bundle, which asks by them.")
    ] = False,
    limit: FirstRows = ALL,
    json: Json = False,
) -> int:
    """How sure models are of their calls: at which margin to ask, and how many wrong ones that keeps back."""
    from tui.evaluation.margins import evaluate_margins

    return evaluate_margins(rows, models, coverage=made, save=save, limit=limit, as_json=json)


@evaluate.command(short_help="Tasks and dialogues over the built-in tools.")
def tasks(
    half: Annotated[
        str, typer.Option(metavar="dev|test|both", help="Failures are shown of the half dev only.")
    ] = "dev",
    models: ManyModels = None,
    category: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this category; may be given again.")
    ] = None,
    json: Json = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the figures too, as PNG (needs matplotlib).")
    ] = None,
) -> int:
    """Score models on tasks and dialogues over the built-in tools, judged by facts and by end state."""
    from tui.evaluation.exam import evaluate_tasks, parse_half

    return evaluate_tasks(
        parse_half(half), models or [None], categories=category or (), as_json=json, plot=plot
    )
