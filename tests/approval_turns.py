"""Turns that ask, for the tests of consent: what the models write, and what came of it."""

from __future__ import annotations

import json

from fakes import call, plan

from agent.consent import Approve, Request
from agent.consent.policy import Policy
from agent.events import Event, Finished, Observation
from agent.loop import Agent
from agent.paths import audit_path
from agent.transcript import Call

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


def decided(policy: Policy, request: Request) -> str:
    """What a policy says: deny, allow, or ask."""
    return "deny" if policy.forbids(request) else "allow" if policy.allows(request) else "ask"


def request_of(agent: Agent, name: str, **arguments: str) -> Request:
    """The question whether a call may run."""
    made = agent.toolbox.get(name)
    assert made is not None
    change = agent.toolbox.preview(Call(name, arguments))
    return Request("permission", Call(name, arguments), made, "", change=change, toolbox=agent.toolbox)
