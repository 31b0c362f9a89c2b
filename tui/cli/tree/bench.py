"""`umi bench`: what is measured, and of which models."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.errors import InputError
from tui.cli.tree.options import Json, Models


def bench(
    what: Annotated[
        str, typer.Argument(help="trace, questions, app, or stock: which tools a stock model chooses.")
    ] = "trace",
    models: Models = None,
    json: Json = False,
    systems: Annotated[
        str | None, typer.Option(metavar="A,B", help="Measure only these (default: everything).")
    ] = None,
    threads: Annotated[
        int, typer.Option(metavar="N", min=0, help="Threads to compute with (default: measured).")
    ] = 0,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Only the first N questions.")] = 50,
    rounds: Annotated[
        int, typer.Option(metavar="N", min=1, help="How often the systems of the trace take turns.")
    ] = 1,
) -> int:
    """Measure models on a fixed conversation: what is read, seconds, memory, beside other ways to run it."""
    if what == "app":
        from tui.bench.app.command import bench_app

        return bench_app(as_json=json)
    if what == "stock":
        from tui.bench.questions.stock import bench_stock
        from tui.cli.models.build import open_models

        return bench_stock(open_models(models), as_json=json, threads=threads)
    if what == "questions":
        from tui.bench.questions.command import bench_questions
        from tui.cli.models.build import open_models

        return bench_questions(open_models(models), as_json=json, threads=threads, limit=limit)
    if what != "trace":
        raise InputError(f"there is no bench {what}", "there are trace, questions, app and stock")
    from tui.bench.trace.command import bench as run_bench

    return run_bench(models, as_json=json, only=systems, threads=threads, rounds=rounds)
