"""How full the context of the models is, in words, with a warning before anything has to be left out."""

from __future__ import annotations

from agent.loop import WRITING_ROOM

NEARLY_FULL = 0.8
"""Share of the context from which on it counts as nearly full."""


class ContextMeter:
    """The tokens that the conversation takes, and whether a warning was given."""

    def __init__(self) -> None:
        self._used = 0
        self._total = 0
        self._warned = False

    def update(self, used: int, total: int) -> str:
        """Take the tokens used and held; return a warning the first time that it is nearly full, else ''."""
        self._used, self._total = used, total
        if not self.is_nearly_full:
            self._warned = False
            return ""
        if self._warned:
            return ""
        self._warned = True
        return (
            f"The context is {self._percent} % full. When it is full, the oldest questions and results are"
            " left out first. /new starts afresh."
        )

    @property
    def is_nearly_full(self) -> bool:
        """Whether little more fits than what a role writes."""
        left = self._total - self._used
        return self._total > 0 and (self._used >= NEARLY_FULL * self._total or left < 2 * WRITING_ROOM)

    @property
    def text(self) -> str:
        """The use of the context; empty before it is measured."""
        if not self._total:
            return ""
        return f"context {self._used:,} of {self._total:,} tokens, {self._percent} %"

    @property
    def _percent(self) -> int:
        return round(100 * self._used / self._total) if self._total else 0
