"""The screen that tells which questions the models see, and which were left out of a full context."""

from __future__ import annotations

from collections.abc import Sequence

from textual.binding import Binding
from textual.content import Content

from agent.transcript import Transcript, UserTurn
from tui.app.chat.context import ContextMeter
from tui.app.screens.text_screen import TextScreen
from tui.text import count_text, one_line

SHOWN_LENGTH = 90
"""Characters of a question that are shown."""


class ContextScreen(TextScreen):
    """Shows the questions of `transcript`, and above them those that were left out, which `meter` keeps."""

    HEADING = "What the models see"
    BINDINGS = [Binding("f8", "dismiss", "close")]  # noqa: RUF012 - textual declares it without ClassVar

    def __init__(self, meter: ContextMeter, transcript: Transcript) -> None:
        super().__init__()
        self._meter = meter
        self._transcript = transcript

    def text(self) -> Content:
        """Return the use of the context and both lists of questions."""
        seen = [turn.content for turn in self._transcript.turns if isinstance(turn, UserTurn)]
        described = count_text(len(self._transcript.tools), "tool")
        parts: list[str | tuple[str, str]] = [
            self._meter.text or "The context is not measured yet.",
            f"\n{described} described in it\n\n",
        ]
        if self._meter.left_out:
            left_out = _lines(self._meter.left_out, "$text-muted")
            parts += [("Left out, with their answers, to make room\n", "bold"), *left_out]
        parts += [("Questions that the models see, with what followed\n", "bold"), *_lines(seen, "")]
        return Content.assemble(*parts, ("/new starts afresh; /rewind goes back.", "$text-muted"))


def _lines(questions: Sequence[str], style: str) -> list[tuple[str, str]]:
    lines = [f"  {one_line(question, SHOWN_LENGTH)}\n" for question in questions] or ["  none so far\n"]
    return [*((line, style) for line in lines), ("\n", "")]
