"""The result of a generation, for evaluations, which need none of the events before it."""

from __future__ import annotations

from collections.abc import Iterable

from agent.engine import Delta, Generated
from agent.events import Reading


def last_event(events: Iterable[Reading | Delta | Generated]) -> Generated:
    """Run a generation of `Engine.generate` to its end and return its last event."""
    for event in events:
        if isinstance(event, Generated):
            return event
    raise AssertionError("the last event of Engine.generate is Generated")
