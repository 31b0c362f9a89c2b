"""The text form of planner and caller turns: formatting and parsing."""

from __future__ import annotations

import json

from agent.transcript.turns import ENDINGS, Call, Next, PlannerTurn


def planner_text(content: str, next_: Next) -> str:
    """Return a planner turn as the models see it: the thought, then the role it hands over to."""
    return f"{content}\nNext: {next_}" if content else f"Next: {next_}"


def parse_planner(text: str) -> PlannerTurn | None:
    """Return the planner turn in `text`, or None if the last line is none of the three endings."""
    thought, _, last = text.rpartition("\n")
    for ending in ENDINGS:
        if last == f"Next: {ending}":
            return PlannerTurn(" ".join(thought.split()), ending)
    return None


def parse_calls(text: str) -> tuple[Call, ...] | None:
    """Return the calls in `text`, one JSON object a line, or None if a line is not a call."""
    calls = []
    for line in text.split("\n"):
        try:
            value = json.loads(line)
        except ValueError:
            return None
        if not isinstance(value, dict) or set(value) != {"name", "arguments"}:
            return None
        if not isinstance(value["name"], str) or not isinstance(value["arguments"], dict):
            return None
        calls.append(Call(value["name"], value["arguments"]))
    return tuple(calls)
