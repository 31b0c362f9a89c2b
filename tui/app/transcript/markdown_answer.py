"""The block of an answer in Markdown; loads the parser, which answers as they are written do without."""

from __future__ import annotations

from textual.widgets import Markdown
from textual.widgets.markdown import MarkdownStream

from tui.app.transcript.blocks import kept_classes
from tui.text import plain


class AnswerBlock(Markdown):
    """The answer as Markdown, streamed. Links are not followed, since umi stays offline."""

    is_answer = True

    def __init__(self, text: str = "", classes: str = "") -> None:
        self.text = plain(text)
        super().__init__(self.text, open_links=False, classes=classes)
        self._stream: MarkdownStream | None = None

    def again(self) -> AnswerBlock:
        """Return a new block that shows the same."""
        return AnswerBlock(self.text, kept_classes(self.classes))

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
