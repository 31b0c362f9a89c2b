"""How full the context of the models is, in words, with a warning before anything has to be left out."""

from __future__ import annotations

from agent.events import Event, Finished, Trimmed

NEARLY_FULL = 0.8
"""Share of the context from which on it counts as nearly full."""


class ContextMeter:
    """The tokens that the conversation takes, whether a warning was given, and what was left out."""

    def __init__(self) -> None:
        self.left_out: list[str] = []
        """The questions that the models see no more, oldest first."""
        self._leaving: list[str] = []
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
            " left out first; F8 lists them. /new starts afresh."
        )

    def take(self, event: Event) -> None:
        """Take an event of a turn. What a turn dropped comes back where it ends without an answer."""
        match event:
            case Trimmed(_, questions):
                self._leaving += questions
            case Finished(reason):
                if reason in ("answered", "gave_up", "failed"):
                    self.left_out += self._leaving
                self._leaving = []
            case _:
                pass

    def begin(self) -> None:
        """Forget what was left out: another conversation is shown, or this one is read from its start."""
        self.left_out, self._leaving = [], []

    @property
    def is_nearly_full(self) -> bool:
        """Whether little more fits than what a role writes."""
        from agent.turn import WRITING_ROOM  # loaded with the models, after the first paint

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
