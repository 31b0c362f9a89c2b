"""The interface of the systems that are compared: each writes turns of the trace and returns their usage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from agent.errors import EngineError
from agent.evaluation.trace import TraceTurn
from agent.events import Usage


class System(Protocol):
    """Loaded models that write one turn after the other."""

    def write(self, turn: TraceTurn, first: Callable[[], None]) -> Usage:
        """Write `turn` and return its usage; `first` is called when the first token is known."""
        ...

    def close(self) -> None:
        """Free the models."""
        ...


def require_text(turn: TraceTurn, text: str) -> None:
    """Raise EngineError where `text` is not the text of the turn."""
    if text != turn.text:
        raise EngineError(f"the {turn.role} wrote {text!r} in the place of {turn.text!r}", "report it")
