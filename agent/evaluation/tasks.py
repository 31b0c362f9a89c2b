"""Evaluation tasks (a history and the reference turn), sampled from rows, and scores of generated texts.

Training scores its adapters on these tasks, and export its GGUF files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from agent.evaluation.metrics import (
    argument_f1,
    count_hallucinated,
    first_tool_baseline,
    handover_matches,
    no_arguments_baseline,
    rouge_l,
    tools_match,
)
from agent.prompting import segment
from agent.transcript import (
    ROLES,
    Call,
    CallerTurn,
    PlannerTurn,
    Row,
    SummarizerTurn,
    ToolTurn,
    Transcript,
    parse_calls,
    planner_text,
)

Scores = dict[str, float]
"""Metric -> mean over the tasks, from 0 to 1; higher is better, except for `hallu`."""

_PRIMARY_METRICS = {"planner": "plan_acc", "caller": "call_em", "summarizer": "rouge_l", "backbone": "mean"}
_GOLDEN_RATIO = 0.6180339887498949


@dataclass(frozen=True)
class EvalTask:
    """A turn to generate: the transcript before it, and the reference."""

    history: Transcript
    reference: PlannerTurn | CallerTurn | SummarizerTurn


def primary_metric(role: str) -> str:
    """Return the metric by which adapters of a role, or of `backbone`, are compared."""
    return _PRIMARY_METRICS[role]


def combine_scores(by_role: dict[str, Scores]) -> Scores:
    """Return the scores of several roles as `ROLE.METRIC`, and the `mean` of their primary metrics."""
    scores = {f"{role}.{name}": value for role, part in by_role.items() for name, value in part.items()}
    primary = [part[primary_metric(role)] for role, part in by_role.items() if part]
    return {"mean": sum(primary) / len(primary), **scores} if primary else {}


def baselines(rows: Sequence[Row], role: str, *, turns: int | None = None, compat: bool = False) -> Scores:
    """Return the scores of baselines without a model on the same turns (all turns if `turns` is None).

    planner: always handing over to the caller. caller: the first tool on offer (`act_em`, `hallu`), and the
    right tools without arguments (`arg_f1`, `call_em`). summarizer: the last observation. `backbone`: all of
    these, combined by `combine_scores`.
    """
    if role == "backbone":
        return combine_scores({one: baselines(rows, one, turns=turns, compat=compat) for one in ROLES})
    tasks = sample_tasks(rows, role, turns)
    if role == "planner":
        return score_texts(role, tasks, [planner_text("", "caller")] * len(tasks))
    if role == "summarizer":
        return score_texts(role, tasks, [_last_observation(task.history) for task in tasks])
    first = score_texts(
        role, tasks, [_call_lines(first_tool_baseline(task.history.tools)) for task in tasks], compat=compat
    )
    bare = [no_arguments_baseline(task.reference) for task in tasks if isinstance(task.reference, CallerTurn)]
    empty = score_texts(role, tasks, list(map(_call_lines, bare)), compat=compat)
    return {**empty, **{name: first[name] for name in ("act_em", "hallu") if first}}


def sample_tasks(rows: Iterable[Row], role: str, turns: int | None = None) -> list[EvalTask]:
    """Return at most `turns` tasks of `role` (None: all), spread evenly over `rows`, always the same ones."""
    return subsample(eval_tasks(rows, role), turns)


def eval_tasks(rows: Iterable[Row], role: str) -> list[EvalTask]:
    """Return a task for every turn of `role` in `rows`."""
    return [
        EvalTask(replace(row.transcript, turns=row.transcript.turns[:at]), turn)
        for row in rows
        for at, turn in enumerate(row.transcript.turns)
        if isinstance(turn, PlannerTurn | CallerTurn | SummarizerTurn) and segment(turn).role == role
    ]


def subsample(tasks: Sequence[EvalTask], turns: int | None) -> list[EvalTask]:
    """Return at most `turns` of `tasks` (None: all), spread evenly, always the same ones."""
    if turns is None or len(tasks) <= turns:
        return list(tasks)
    # One task of each of `turns` equal intervals, at varying offsets (a golden-ratio sequence): a fixed step
    # would coincide with the alternation of turns and take, say, every planner's first one.
    bounds = [n * len(tasks) // turns for n in range(turns + 1)]
    return [tasks[bounds[n] + int(n * _GOLDEN_RATIO % 1 * (bounds[n + 1] - bounds[n]))] for n in range(turns)]


def score_texts(
    role: str, tasks: Sequence[EvalTask], texts: Sequence[str], *, compat: bool = False
) -> Scores:
    """Return the mean scores of the texts that `role` generated for `tasks`; empty without tasks.

    planner: `plan_acc`, the hand-over matches. caller: `act_em`, the set of tools matches; `arg_f1`, F1 of
    the arguments; `call_em`, the calls match or are accepted; `hallu`, the share of calls that name a tool
    not on offer or are malformed. summarizer: `rouge_l`; `exact`, exact match. With `compat`, `arg_f1` is as
    in `agent.evaluation.metrics`, and `hallu` is the share of turns whose calls can be parsed and name a tool
    not on offer.
    """
    if not tasks:
        return {}
    scores: list[Scores] = []
    hallucinated = total = 0
    for task, text in zip(tasks, texts, strict=True):
        match task.reference:
            case PlannerTurn():
                scores.append({"plan_acc": float(handover_matches(text, task.reference))})
            case SummarizerTurn(reference):
                scores.append({"rouge_l": rouge_l(text, reference), "exact": float(text == reference)})
            case CallerTurn():
                calls = parse_calls(text) or ()
                scores.append(
                    {
                        "act_em": float(tools_match(calls, task.reference)),
                        "arg_f1": argument_f1(calls, task.reference, compat=compat),
                        "call_em": float(task.reference.matched_by(calls)),
                    }
                )
                wrong, count = count_hallucinated(text, task.history.tools)
                hallucinated += bool(calls and wrong) if compat else wrong
                total += 1 if compat else count
    means = {name: sum(one[name] for one in scores) / len(scores) for name in scores[0]}
    return {**means, "hallu": hallucinated / total} if role == "caller" else means


def _last_observation(transcript: Transcript) -> str:
    observations = [turn for turn in transcript.turns if isinstance(turn, ToolTurn)]
    return segment(observations[-1]).content if observations else ""


def _call_lines(calls: Iterable[Call]) -> str:
    return "\n".join(call.line() for call in calls)
