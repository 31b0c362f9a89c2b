"""A turn of the agent as a row of training data, made from its events."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from agent.events import CallProposed, Event, Finished, Observation, Thought
from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
    Row,
    SummarizerTurn,
    ToolSpec,
    ToolTurn,
    Transcript,
    Turn,
    UserTurn,
    compact,
    row_to_json,
)


def recorded_row(
    tools: tuple[ToolSpec, ...], question: str, events: Iterable[Event], before: Sequence[Turn] = ()
) -> Row:
    """Return the row of the turns in `before` and of one that was answered, given up or failed.

    The agent's own conversation may lack some steps, dropped or shortened to fit the context.
    """
    turns: list[Turn] = [*before, UserTurn(question.strip())]
    calls: list[Call] = []
    results: list[ToolTurn] = []
    next_ = None
    for event in events:
        match event:
            case Thought(_, text, next_):
                if calls:
                    turns += [CallerTurn(tuple(calls)), *results]
                calls, results = [], []
                turns.append(PlannerTurn(text, next_))
            case CallProposed(_, index, name, arguments):
                calls[index:] = [Call(name, arguments)]
            case Observation(_, _, name, ok, content):
                results.append(ToolTurn(name, content, not ok))
            case Finished("answered" | "failed", answer) if next_ == "summarizer":
                turns.append(SummarizerTurn(answer))
    row = Row("", "recorded", "train", Transcript(tools, tuple(turns)))
    digest = hashlib.blake2b(compact(row_to_json(row)).encode("utf-8", "replace"), digest_size=4).hexdigest()
    return replace(row, id=f"recorded-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{digest}")
