"""The screen that tells which questions the models see, and which were left out of a full context."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.binding import Binding

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

    def text(self) -> Text:
        """Return the use of the context and both lists of questions."""
        seen = [turn.content for turn in self._transcript.turns if isinstance(turn, UserTurn)]
        text = Text(f"{self._meter.text or 'The context is not measured yet.'}\n")
        text.append(f"{count_text(len(self._transcript.tools), 'tool')} described in it\n\n")
        if self._meter.left_out:
            _append(text, "Left out, with their answers, to make room", self._meter.left_out, "dim")
        _append(text, "Questions that the models see, with what followed", seen, "")
        text.append("/new starts afresh; /rewind goes back.", "dim")
        return text


def _append(text: Text, title: str, questions: Sequence[str], style: str) -> None:
    text.append(f"{title}\n", "bold")
    for question in questions:
        text.append(f"  {one_line(question, SHOWN_LENGTH)}\n", style)
    text.append("\n" if questions else "  none so far\n\n")
