"""From the events of a turn: what the status line shows, and what each role cost."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from agent.events import AnswerDelta, CallProposed, Event, Finished, Observation, Reading, Thought, Usage
from tui.app.status_line import StatusLine
from tui.text import one_line

if TYPE_CHECKING:
    from agent.transcript import Role

LONG_PROMPT = 64
"""Tokens from which on the reading of a prompt is shown as a bar."""


class TurnProgress:
    """Keeps the status line and the costs up to date while a turn runs."""

    def __init__(self, status: StatusLine) -> None:
        self._status = status
        self._reading_since = 0.0
        self.last: dict[Role, Usage] = {}
        """What each role cost in the last turn."""
        self.total: dict[Role, Usage] = {}
        """What each role cost since umi started."""

    def show(self, event: Event) -> None:
        """Show what the agent does at and after an event."""
        match event:
            case Reading(role, done, total):
                self._show_reading(role, done, total)
            case Thought(_, _, "caller"):
                self._status.show("caller reading…")
            case CallProposed(_, _, name, _):
                self._status.show(f"running {one_line(name, 30)}…")
            case Observation():
                self._status.show("planner reading…")
            case AnswerDelta():
                self._status.show("summarizer writing…")
            case Finished(stats=stats):
                self._finish(stats)
            case _:
                pass

    def _show_reading(self, role: Role, done: int, total: int) -> None:
        now = time.monotonic()
        if done == 0 or not self._reading_since:
            self._reading_since = now
        if done >= total:
            self._reading_since = 0.0
            self._status.show(f"{role} writing…")
            return
        self._status.show(f"{role} reading…", progress=done / total if total >= LONG_PROMPT else None)
        seconds = now - self._reading_since
        if done and seconds > 0.2:
            self._status.rates = (done / seconds, self._status.rates[1])

    def _finish(self, stats: Mapping[Role, Usage]) -> None:
        self._reading_since = 0.0
        self.last = dict(stats)
        for role, usage in stats.items():
            self.total[role] = self.total.get(role, Usage()) + usage
        whole = sum(stats.values(), Usage())
        read = whole.prompt_evaluated / whole.read_seconds if whole.read_seconds else 0.0
        written = whole.generated / whole.write_seconds if whole.write_seconds else 0.0
        self._status.rates = (read, written)
