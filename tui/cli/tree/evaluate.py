"""`umi eval …`: scores of models on held-out questions and public benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui.cli.tree.options import PLAIN, Models

SUITE = "suite"
"""The command of the group that `umi eval FILE` stands for."""

evaluate = typer.Typer(
    help="Score models: `umi eval FILE` on held-out rows, or on a benchmark that a command names.", **PLAIN
)


@evaluate.command(SUITE)
def suite(
    suite: Annotated[Path, typer.Argument(metavar="SUITE", help="A file of held-out schema-1 rows.")],
    models: Models = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Only the first N rows.")] = 1_000_000,
    through_ask: Annotated[
        bool, typer.Option("--through-ask", help="Ask each question in a `umi ask` of its own (slower).")
    ] = False,
) -> int:
    """Score models on held-out questions, by step and whole, beside what needs no model (the default)."""
    from tui.evaluation.suite import evaluate_suite

    return evaluate_suite(suite, models, as_json=json, limit=limit, through_ask=through_ask)
