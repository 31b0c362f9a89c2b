"""The margins of a bundle's calls after reference histories, and whether those calls are right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from agent.checks.calls.margins import MeasuredCall
from agent.engine import Engine, Generated
from agent.errors import ContextFullError
from agent.evaluation.generation import last_event
from agent.transcript import (
    CallerTurn,
    PlannerTurn,
    Role,
    Row,
    Transcript,
    parse_calls,
    parse_planner,
)


def measure_margins(
    rows: Iterable[Row], engine: Engine, on_row: Callable[[int], None] = lambda _: None
) -> Iterator[MeasuredCall]:
    """Yield the calls that `engine` writes where a step of a row begins.

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
                yield from _measured(engine, history, following)
        on_row(number)


def _measured(engine: Engine, history: Transcript, expected: object) -> Iterator[MeasuredCall]:
    thought = _generate(engine, "planner", history)
    plan = parse_planner(thought.text) if thought else None
    if thought is None or plan is None or plan.next != "caller":
        return
    written = _generate(engine, "caller", history.plus(plan))
    calls = parse_calls(written.text) if written else None
    if written is None or not calls:
        return
    right = isinstance(expected, CallerTurn) and expected.matched_by(calls)
    yield MeasuredCall(calls[0].name, min(thought.margin, written.margin), right)


def _generate(engine: Engine, role: Role, transcript: Transcript) -> Generated | None:
    """Return the turn that `role` generates, or None if the history does not fit."""
    try:
        return last_event(engine.generate(role, transcript, cancelled=lambda: False))
    except ContextFullError:
        return None
