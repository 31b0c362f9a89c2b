"""What `Agent.run` yields, in the order of a turn; `Event` is the union of all."""

from __future__ import annotations

from agent.events import (
    AnswerDelta,
    CallProposed,
    Event,
    Finished,
    Mentioned,
    Observation,
    Reading,
    Reason,
    Thought,
    Trimmed,
    Usage,
    event_to_json,
)

__all__ = [
    "AnswerDelta",
    "CallProposed",
    "Event",
    "Finished",
    "Mentioned",
    "Observation",
    "Reading",
    "Reason",
    "Thought",
    "Trimmed",
    "Usage",
    "event_to_json",
]
