"""The planner's thought before a call that somebody demands, so that the planner is not asked."""

from __future__ import annotations


def demanded_thought(name: str) -> str:
    """Return the thought before a call of the tool `name`, as in the training data; empty without a name."""
    return f"I will use {name}." if name else ""
