"""The static metrics of alpha-UMi (arXiv 2401.07324, section 4) over the steps of schema-1 rows.

A step is a planner's turn of the reference and the turn after it. Given the reference up to there, the
planner decides, and the role that it hands over to writes. `compat` scores as the paper's released evaluation
does, `strict` gives no half points and counts malformed calls:

    Plan ACC   hand-overs equal to the reference's, of all steps
    Act. EM    steps with the reference's tools, of the steps whose reference calls
    Arg. F1    F1 of (tool, parameter, value) over the same steps; compat: another value is half right
    Hallu.     compat: steps that call a tool not on offer, of all steps;
               strict: calls of a tool not on offer or malformed, of all calls
    R-L        ROUGE-L of the answer, over the steps whose reference answers
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

from agent.errors import InputError
from agent.evaluation.benchmarks.baselines import answer_last_result, call_first_unused_tool
from agent.evaluation.benchmarks.benchmark import Benchmark, Case, Outcome, Points
from agent.evaluation.benchmarks.step import Step
from agent.evaluation.metrics import argument_f1, count_hallucinated, rouge_l, tools_match
from agent.transcript import CallerTurn, PlannerTurn, Row, SummarizerTurn, ToolSpec, Turn
from agent.transcript.rows import read_rows

MODES = ("compat", "strict")
METRICS = ("Plan ACC", "Act. EM", "Hallu.", "Arg. F1", "R-L")
"""In the order of the paper's Table 1."""


def read_paper(paths: Sequence[Path], limit: int) -> Benchmark:
    """Return the steps of the first `limit` rows of `paths`. Raise InputError where there are none."""
    rows = enumerate(islice(read_rows(*paths), limit), 1)
    cases = [case for number, row in rows for case in _cases(row, f"{number}/{row.id}")]
    if not cases:
        raise InputError(
            f"{', '.join(map(str, paths))}: no row with a planner's turn there", "name schema-1 rows"
        )
    return Benchmark(
        "paper",
        cases,
        [f"{mode}: {name}" for mode in MODES for name in METRICS],
        {},
        frozenset({"caller", "summarizer"}),
        {"first unused tool": call_first_unused_tool, "last result": answer_last_result},
        "static metrics of arXiv 2401.07324 by step, as released (compat) and strict; Hallu.: less is better",
    )


def _cases(row: Row, row_id: str) -> Iterator[Case]:
    turns = row.transcript.turns
    for at, turn in enumerate(turns):
        if isinstance(turn, PlannerTurn):
            after = turns[at + 1] if at + 1 < len(turns) else None
            history = replace(row.transcript, turns=turns[:at])
            judge = partial(_judge, plan=turn, after=after, tools=row.transcript.tools)
            yield Case(f"{row_id}#{at}", history, judge, row_id)


def _judge(step: Step, *, plan: PlannerTurn, after: Turn | None, tools: Sequence[ToolSpec]) -> Outcome:
    planned = step.next == plan.next
    shared: dict[str, Points] = {"Plan ACC": (float(planned), 1.0)}
    arguments: dict[str, float] = {}
    fault = "" if planned else "another hand-over"
    if isinstance(after, CallerTurn):
        named = tools_match(step.calls, after)
        shared["Act. EM"] = float(named), 1.0
        arguments = {mode: argument_f1(step.calls, after, compat=mode == "compat") for mode in MODES}
        if not fault and not after.matched_by(step.calls):
            fault = "other arguments" if named else "other tools"
    elif isinstance(after, SummarizerTurn):
        shared["R-L"] = (rouge_l(step.answer, after.content) if step.answer is not None else 0.0), 1.0
    points: dict[str, Points] = {}
    for mode in MODES:
        scores = {**shared, "Hallu.": _hallucinated(step, tools, mode)}
        if arguments:
            scores["Arg. F1"] = arguments[mode], 1.0
        points |= {f"{mode}: {name}": score for name, score in scores.items()}
    return Outcome(points, fault)


def _hallucinated(step: Step, tools: Sequence[ToolSpec], mode: str) -> Points:
    if step.next != "caller" or step.obstacle:
        return 0.0, float(mode == "compat")
    wrong, calls = count_hallucinated(step.text, tools)
    return (float(bool(step.calls) and wrong > 0), 1.0) if mode == "compat" else (wrong, calls)
