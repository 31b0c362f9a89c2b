"""The margins of a bundle's calls after reference histories, and whether those calls are right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from agent.checks.calls.call_check import doubt_about
from agent.checks.calls.margins import MeasuredCall
from agent.engine import Delta, Generated
from agent.errors import ContextFullError
from agent.evaluation.generation import last_event
from agent.events import Reading
from agent.prompting import segment
from agent.transcript import (
    CallerTurn,
    PlannerTurn,
    Role,
    Row,
    Transcript,
    parse_calls,
    parse_planner,
)

Write = Callable[[Role, Transcript, str], Iterator[Reading | Delta | Generated]]
"""(role, history, reference turn) -> the events of the turn that the model writes after the history.

The reference must change nothing of it. It is there to be drafted, so that a turn that equals it costs one
decode.
"""


def measure_margins(
    rows: Iterable[Row], write: Write, on_row: Callable[[int], None] = lambda _: None
) -> Iterator[MeasuredCall]:
    """Yield the calls that are written where a step of a row begins.

    The planner and then the caller write after the row's own history. A call is right where the row makes it
    there too, with equal arguments; where the row makes none, every call is wrong. A planner that calls
    nothing yields nothing.
    """
    for number, row in enumerate(rows, 1):
        turns = row.transcript.turns
        for index, turn in enumerate(turns):
            if isinstance(turn, PlannerTurn):
                history = Transcript(row.transcript.tools, turns[:index], row.transcript.instruction)
                following = turns[index + 1] if index + 1 < len(turns) else None
                yield from _measured(write, history, turn, following)
        on_row(number)


def _measured(
    write: Write, history: Transcript, planned: PlannerTurn, expected: object
) -> Iterator[MeasuredCall]:
    thought = _written(write, "planner", history, segment(planned).content)
    plan = parse_planner(thought.text) if thought else None
    if thought is None or plan is None or plan.next != "caller":
        return
    reference = segment(expected).content if isinstance(expected, CallerTurn) else ""
    called = _written(write, "caller", history.plus(plan), reference)
    calls = parse_calls(called.text) if called else None
    if called is None or not calls:
        return
    right = isinstance(expected, CallerTurn) and expected.matched_by(calls)
    made = history.plus(plan, CallerTurn(calls))
    doubted = any(doubt_about(made, call) for call in calls)
    yield MeasuredCall(calls[0].name, min(thought.margin, called.margin), right, doubted)


def _written(write: Write, role: Role, transcript: Transcript, reference: str) -> Generated | None:
    """Return the turn that `role` writes, or None if the history does not fit."""
    try:
        return last_event(write(role, transcript, reference))
    except ContextFullError:
        return None
