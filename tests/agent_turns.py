"""Turns of a scripted agent, and what their events say."""

from __future__ import annotations

from agent.consent import Approve
from agent.engine import ScriptedEngine
from agent.events import (
    Event,
    Finished,
)
from agent.loop import Agent, Conversation
from agent.transcript import Role, Transcript


def turn(
    agent: Agent,
    text: str = "what is 17.5% of 240?",
    approve: Approve | None = None,
    conversation: Conversation | None = None,
) -> list[Event]:
    return list(agent.run(conversation or agent.begin(), text, approve=approve))


def only(events: list[Event], kind: type) -> list:
    return [event for event in events if isinstance(event, kind)]


def finished(events: list[Event]) -> Finished:
    assert isinstance(events[-1], Finished)
    return events[-1]


def generations(agent: Agent) -> list[tuple[Role, Transcript]]:
    """The role and the transcript of each generation."""
    assert isinstance(agent.engine, ScriptedEngine)
    return agent.engine.seen
