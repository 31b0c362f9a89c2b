"""Turns that ask, for the tests of consent: what the models write, and what came of it."""

from __future__ import annotations

import json

from fakes import call, plan

from agent.consent import Approve
from agent.events import Event, Finished, Observation
from agent.loop import Agent
from agent.paths import audit_path

WRITE = call("write_file", path="a.txt", content="hi")


def writing(ending: str = "summarizer") -> list[str]:
    """What the models write in a turn that writes a file; `ending` is whom the planner hands over to."""
    script = [plan("I will use search_text here.", "caller"), WRITE, plan("That is it.", ending)]
    return [*script, "All right."] if ending == "summarizer" else script


def run(agent: Agent, approve: Approve | None = None, text: str = "go") -> list[Event]:
    """The events of a turn."""
    return list(agent.run(agent.begin(), text, approve=approve))


def finished(events: list[Event]) -> Finished:
    """The last of the events."""
    assert isinstance(events[-1], Finished)
    return events[-1]


def observed(events: list[Event]) -> list[str]:
    """The observations among the events."""
    return [event.content for event in events if isinstance(event, Observation)]


def audited() -> list[dict[str, object]]:
    """The lines of the audit log."""
    return [json.loads(line) for line in audit_path().read_text(encoding="utf-8").splitlines()]


NOTE = [plan("", "caller"), call("add_note", text="buy milk"), plan("", "summarizer"), "Saved."]
