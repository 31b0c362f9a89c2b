"""The blocks of the transcript: one widget for each thing that is said or done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text
from textual.widgets import Markdown, Static
from textual.widgets.markdown import MarkdownStream

from tui.text import call_line, one_line, plain, truncate_lines

OBSERVATION_LINES = 5
"""Lines of an observation that are shown before the rest is folded away."""

OBSERVATION_CHARACTERS = 600
"""Characters of an observation that are shown before the rest is folded away."""


class Block(Static):
    """A piece of text that is never read as markup."""

    def __init__(self, text: str | Text, classes: str = "") -> None:
        super().__init__(text, markup=False, classes=classes)
        self.text = str(text)


class UserBlock(Block):
    """What the person said."""

    def __init__(self, text: str) -> None:
        super().__init__(plain(text))


class ThoughtBlock(Block):
    """What the planner thinks."""

    def __init__(self, text: str) -> None:
        super().__init__(f"· {one_line(text)}")


class CallBlock(Block):
    """A call, before it runs."""

    def __init__(self, name: str, arguments: Mapping[str, Any]) -> None:
        line = Text(f"▸ {call_line(name, arguments, 240)}")
        line.stylize("bold", 2, 2 + len(one_line(name)))
        super().__init__(line)


class ObservationBlock(Block):
    """What a call returned; a long one shows its beginning until it is clicked or unfolded."""

    def __init__(self, content: str, ok: bool) -> None:
        self._whole = plain(content).rstrip() or "(nothing)"
        head, more = truncate_lines(self._whole, OBSERVATION_LINES)
        if len(head) > OBSERVATION_CHARACTERS:
            head, more = head[:OBSERVATION_CHARACTERS], max(more, 1)
        self._head = head
        self._note = f"… {more} more line{'s' if more > 1 else ''}, Ctrl+O shows all"
        self.foldable = head != self._whole
        self.unfolded = not self.foldable
        super().__init__("", classes="ok" if ok else "failed")
        self._show()

    def fold(self, folded_away: bool) -> None:
        """Fold the rest away, or show all."""
        self.unfolded = not (folded_away and self.foldable)
        self._show()

    def on_click(self) -> None:
        """A click toggles."""
        self.fold(self.unfolded)

    def _show(self) -> None:
        self.text = self._whole if self.unfolded else f"{self._head}\n{self._note}"
        self.update(self.text)


class NoteBlock(Block):
    """The app speaks: a hint, or (class `error`) what went wrong."""

    def __init__(self, text: str, error: bool = False) -> None:
        super().__init__(plain(text), classes="error" if error else "")


class AnswerBlock(Markdown):
    """The answer as Markdown, shown while it is written. Links are not followed: umi stays offline."""

    def __init__(self) -> None:
        super().__init__("", open_links=False)
        self.text = ""
        self._stream: MarkdownStream | None = None

    async def write(self, text: str) -> None:
        """Add a piece."""
        if self._stream is None:
            self._stream = Markdown.get_stream(self)
        piece = plain(text if self.text else text.lstrip())
        self.text += piece
        await self._stream.write(piece)

    async def finish(self, text: str | None = None) -> None:
        """Stop the stream and show the whole once more: `text`, or what was written so far."""
        if self._stream is not None:
            await self._stream.stop()
            self._stream = None
        if text is not None:
            self.text = plain(text)
        await self.update(self.text)
