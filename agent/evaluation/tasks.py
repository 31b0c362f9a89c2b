"""Turns to be written, taken from rows, and how well what was written matches the reference.

Training tries its adapters with these and export its files, each with a model of its own kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from agent.evaluation.metrics import (
    argument_f1,
    first_tool,
    hallucinated,
    rouge_l,
    same_plan,
    same_tools,
    without_arguments,
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
"""Measures by name, each from 0 to 1, the higher the better; of `hallu` the lower."""

_HEADLINES = {"planner": "plan_acc", "caller": "call_em", "summarizer": "rouge_l", "backbone": "mean"}
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class EvalTask:
    """One turn to write: the transcript before it, and the reference."""

    before: Transcript
    turn: PlannerTurn | CallerTurn | SummarizerTurn


def headline(role: str) -> str:
    """The measure that decides which adapter of a role, or of `backbone`, is the best."""
    return _HEADLINES[role]


def together(found: dict[str, Scores]) -> Scores:
    """The scores of several roles as `ROLE.MEASURE`, and the `mean` of the headlines there are."""
    scores = {f"{role}.{name}": value for role, part in found.items() for name, value in part.items()}
    firsts = [part[headline(role)] for role, part in found.items() if part]
    return {"mean": sum(firsts) / len(firsts), **scores} if firsts else {}


def baselines(rows: Sequence[Row], role: str, *, turns: int | None = None, compat: bool = False) -> Scores:
    """What needs no model scores on the same turns (all turns where `turns` is None).

    planner: always handing over to the caller. caller: the first tool on offer (`act_em`, `hallu`), and the
    right tools without arguments (`arg_f1`, `call_em`). summarizer: the last observation again. For
    `backbone` all of these, as `together` names them.
    """
    if role == "backbone":
        return together({one: baselines(rows, one, turns=turns, compat=compat) for one in ROLES})
    chosen = sample(rows, role, turns)
    if role == "planner":
        return measure(role, chosen, [planner_text("", "caller")] * len(chosen))
    if role == "summarizer":
        return measure(role, chosen, [_last_observation(case.before) for case in chosen])
    first = measure(role, chosen, [_lines(first_tool(case.before.tools)) for case in chosen], compat=compat)
    bare = [without_arguments(case.turn) for case in chosen if isinstance(case.turn, CallerTurn)]
    empty = measure(role, chosen, list(map(_lines, bare)), compat=compat)
    return {**empty, **{name: first[name] for name in ("act_em", "hallu") if first}}


def sample(rows: Iterable[Row], role: str, turns: int | None = None) -> list[EvalTask]:
    """At most `turns` turns of `role`, spread evenly over `rows`, the same ones each time."""
    return spread(cases_in(rows, role), turns)


def cases_in(rows: Iterable[Row], role: str) -> list[EvalTask]:
    """All turns of `role` in `rows`."""
    return [
        EvalTask(replace(row.transcript, turns=row.transcript.turns[:at]), turn)
        for row in rows
        for at, turn in enumerate(row.transcript.turns)
        if isinstance(turn, PlannerTurn | CallerTurn | SummarizerTurn) and segment(turn).role == role
    ]


def spread(found: Sequence[EvalTask], turns: int | None) -> list[EvalTask]:
    """At most `turns` of the cases in `found`, spread evenly, the same ones each time."""
    if turns is None or len(found) <= turns:
        return list(found)
    # One turn of each of `turns` stretches, now early in it, now late: a fixed step would fall in with the
    # alternation of turns and take every planner's first one, say.
    bounds = [n * len(found) // turns for n in range(turns + 1)]
    return [found[bounds[n] + int(n * _GOLDEN % 1 * (bounds[n + 1] - bounds[n]))] for n in range(turns)]


def measure(role: str, cases: Sequence[EvalTask], texts: Sequence[str], *, compat: bool = False) -> Scores:
    """The scores of what `role` wrote in each case; empty where there is none.

    planner: `plan_acc`, the hand-over is the reference's. caller: `act_em`, all tools called are;
    `arg_f1`, of their arguments; `call_em`, whole calls are right, also in another accepted form; `hallu`,
    the share of calls to a tool not on offer or malformed. summarizer: `rouge_l`; `exact`, letter for letter.
    With `compat`, `arg_f1` is as in `agent.evaluation.metrics`, and `hallu` is the share of turns whose calls can be
    read and name a tool not on offer.
    """
    if not cases:
        return {}
    found: list[Scores] = []
    bad = written = 0
    for case, text in zip(cases, texts, strict=True):
        match case.turn:
            case PlannerTurn():
                found.append({"plan_acc": float(same_plan(text, case.turn))})
            case SummarizerTurn(reference):
                found.append({"rouge_l": rouge_l(text, reference), "exact": float(text == reference)})
            case CallerTurn():
                calls = parse_calls(text) or ()
                found.append(
                    {
                        "act_em": float(same_tools(calls, case.turn)),
                        "arg_f1": argument_f1(calls, case.turn, compat=compat),
                        "call_em": float(case.turn.matched_by(calls)),
                    }
                )
                wrong, count = hallucinated(text, case.before.tools)
                bad += bool(calls and wrong) if compat else wrong
                written += 1 if compat else count
    means = {name: sum(one[name] for one in found) / len(found) for name in found[0]}
    return {**means, "hallu": bad / written} if role == "caller" else means


def _last_observation(transcript: Transcript) -> str:
    seen = [turn for turn in transcript.turns if isinstance(turn, ToolTurn)]
    return segment(seen[-1]).content if seen else ""


def _lines(calls: Iterable[Call]) -> str:
    return "\n".join(call.line() for call in calls)
