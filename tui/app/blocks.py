"""The blocks of the transcript: one kind of widget for each kind of event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text
from textual.widgets import Markdown, Static
from textual.widgets.markdown import MarkdownStream

from tui.text import call_line, one_line, plain, truncate_lines

OBSERVATION_LINES = 5
"""Number of lines of an observation that are shown while it is folded."""

OBSERVATION_CHARACTERS = 600
"""Number of characters of an observation that are shown while it is folded."""


class Block(Static):
    """Text that is not interpreted as markup."""

    def __init__(self, text: str | Text, classes: str = "") -> None:
        super().__init__(text, markup=False, classes=classes)
        self.text = str(text)


class UserBlock(Block):
    """A message of the user."""

    def __init__(self, text: str) -> None:
        super().__init__(plain(text))


class ThoughtBlock(Block):
    """A thought of the planner."""

    def __init__(self, text: str) -> None:
        super().__init__(f"· {one_line(text)}")


class CallBlock(Block):
    """A proposed call."""

    def __init__(self, name: str, arguments: Mapping[str, Any]) -> None:
        line = Text(f"▸ {call_line(name, arguments, 240)}")
        line.stylize("bold", 2, 2 + len(one_line(name)))
        super().__init__(line)


class ObservationBlock(Block):
    """The observation of a call; a long one is folded until it is clicked or unfolded."""

    def __init__(self, content: str, ok: bool) -> None:
        self._content = plain(content).rstrip() or "(nothing)"
        head, more = truncate_lines(self._content, OBSERVATION_LINES)
        if len(head) > OBSERVATION_CHARACTERS:
            head, more = head[:OBSERVATION_CHARACTERS], max(more, 1)
        self._head = head
        self._note = f"… {more} more line{'s' if more > 1 else ''}, Ctrl+O shows all"
        self.foldable = head != self._content
        self.unfolded = not self.foldable
        super().__init__("", classes="ok" if ok else "failed")
        self._show()

    def fold(self, folded: bool) -> None:
        """Show only the beginning of a long observation, or all of it."""
        self.unfolded = not (folded and self.foldable)
        self._show()

    def on_click(self) -> None:
        """Toggle between folded and unfolded."""
        self.fold(self.unfolded)

    def _show(self) -> None:
        self.text = self._content if self.unfolded else f"{self._head}\n{self._note}"
        self.update(self.text)


class NoteBlock(Block):
    """A message of the app: a hint, or (class `error`) an error."""

    def __init__(self, text: str, error: bool = False) -> None:
        super().__init__(plain(text), classes="error" if error else "")


class AnswerBlock(Markdown):
    """The answer as Markdown, streamed. Links are not followed, since umi stays offline."""

    def __init__(self) -> None:
        super().__init__("", open_links=False)
        self.text = ""
        self._stream: MarkdownStream | None = None

    async def write(self, text: str) -> None:
        """Append a piece of the answer."""
        if self._stream is None:
            self._stream = Markdown.get_stream(self)
        piece = plain(text if self.text else text.lstrip())
        self.text += piece
        await self._stream.write(piece)

    async def finish(self, text: str | None = None) -> None:
        """End the stream and render `text`, or what was streamed so far if None."""
        if self._stream is not None:
            await self._stream.stop()
            self._stream = None
        if text is not None:
            self.text = plain(text)
        await self.update(self.text)


class PlainAnswerBlock(Block):
    """The answer as it was written, streamed: lines stay lines, and a file's heading is not the chat's."""

    def __init__(self) -> None:
        super().__init__("")

    async def write(self, text: str) -> None:
        """Append a piece of the answer."""
        self._show(self.text + plain(text if self.text else text.lstrip()))

    async def finish(self, text: str | None = None) -> None:
        """Show `text`, or what was streamed so far if None."""
        if text is not None:
            self._show(plain(text))

    def _show(self, text: str) -> None:
        self.text = text
        self.update(text)
