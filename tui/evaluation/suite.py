"""`umi eval SUITE`: score a bundle on a suite of held-out questions and print the figures by tool."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from agent.evaluation.suite import Accuracy, Report, RunQuestion, evaluate, run_in_process
from agent.setup import open_engine
from agent.transcript import Row, UserTurn
from agent.transcript.rows import read_rows
from tui.cli.models.build import open_models

COLUMNS = ("plan", "name", "arguments", "question")
PRINTED_FAILURES = 12


def evaluate_suite(suite: Path, models: str | None, *, as_json: bool, limit: int, through_ask: bool) -> int:
    """Score a bundle on `suite` and print a table or JSON, progress on stderr; return the exit code.

    Raises InputError for a suite or bundle that cannot be read.
    """
    rows = list(islice(read_rows(suite), limit))
    bundle = open_models(models)
    engine = open_engine(bundle)
    try:
        ask = _ask_in_subprocess(bundle.folder) if through_ask else run_in_process(engine)
        report = evaluate(rows, engine, ask, lambda number, report: _progress(number, len(rows), report))
    finally:
        engine.close()
    if sys.stderr.isatty():
        print(file=sys.stderr)
    if as_json:
        print(json.dumps(report.to_json(), ensure_ascii=False))
    else:
        print_report(report)
    return 0


def print_report(report: Report) -> None:
    """Print a line for each tool: per cent right, and in brackets what the baseline without a model gets."""
    print(f"{'':40}  {'plan':>12}  {'tool name':>12}  {'arguments':>12}  {'question':>12}  made up")
    for name, tally in [*sorted(report.tools.items()), ("all", report.total)]:
        cells = "  ".join(_cell(getattr(tally, column)) for column in COLUMNS)
        print(f"{name:40}  {cells}  {tally.made_up:7}")
    print("per cent right; in brackets: always calling, the first tool, no arguments, giving up")
    counts = (f"{getattr(report.total, column).of} {column}" for column in COLUMNS)
    print(f"cases: {', '.join(counts)}")
    for failure in report.failures[:PRINTED_FAILURES]:
        print(f"wrong: {failure.question!r} -> {failure.answer!r}, expected {list(failure.expected)}")


def _cell(score: Accuracy) -> str:
    if not score.of:
        return f"{'-':>12}"
    return f"{100 * score.right / score.of:5.1f} ({100 * score.baseline / score.of:4.1f})"


def _progress(number: int, total: int, report: Report) -> None:
    questions = report.total.question
    if sys.stderr.isatty():
        print(
            f"\r{number}/{total} rows, {questions.right}/{questions.of} questions right",
            end="",
            file=sys.stderr,
        )
    elif number % 50 == 0:
        print(f"{number}/{total} rows, {questions.right}/{questions.of} questions right", file=sys.stderr)


def _ask_in_subprocess(models: Path) -> RunQuestion:
    """Return a function that answers each question in a `umi ask` process, every call approved."""

    def ask(row: Row, workspace: Path, notes: Path) -> Iterator[Mapping[str, Any]]:
        question = next(turn.content for turn in row.transcript.turns if isinstance(turn, UserTurn))
        tools = ",".join(tool.name for tool in row.transcript.tools)
        command = [sys.executable, "-P", "-m", "tui", "ask", "--json", "--yes", "--models", str(models)]
        command += ["--workspace", str(workspace), "--tools", tools, "--", question]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "UMI_HOME": str(notes.parent)},
        )
        events = [json.loads(line) for line in done.stdout.splitlines()]
        if not events:
            return iter([{"event": "finished", "reason": "error", "answer": done.stderr.strip()}])
        return iter(events)

    return ask
