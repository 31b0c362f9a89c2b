"""The message input: Enter sends, pasted text may have several lines, Up and Down recall sent messages."""

from __future__ import annotations

from textual import events
from textual.message import Message
from textual.widgets import TextArea


class QuestionInput(TextArea):
    """A text area that grows with its text.

    Shift+Enter inserts a line break, as does Ctrl+J where the terminal does not report Shift.
    """

    class Sent(Message):
        """The user sent `text`."""

        def __init__(self, text: str) -> None:
            self.text = text
            super().__init__()

    def __init__(self) -> None:
        super().__init__(
            compact=True, highlight_cursor_line=False, placeholder="Ask something, or /help", id="question"
        )
        self._history: list[str] = []
        self._history_index = 0
        self._draft = ""

    def remember(self, text: str) -> None:
        """Append a sent text to the history and clear the input."""
        if not self._history or self._history[-1] != text:
            self._history.append(text)
        self._history_index = len(self._history)
        self.text = ""

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            if self.text.strip():
                self.post_message(self.Sent(self.text.strip()))
        elif event.key in ("shift+enter", "ctrl+j", "alt+enter"):
            event.stop()
            event.prevent_default()
            self.insert("\n")
        else:
            await super()._on_key(event)

    def action_cursor_up(self, select: bool = False) -> None:
        """Move the cursor up; on the first line, recall the previous message."""
        if select or not self.navigator.is_first_wrapped_line(self.cursor_location):
            super().action_cursor_up(select)
        else:
            self._recall(-1)

    def action_cursor_down(self, select: bool = False) -> None:
        """Move the cursor down; on the last line, recall the next message."""
        if select or not self.navigator.is_last_wrapped_line(self.cursor_location):
            super().action_cursor_down(select)
        else:
            self._recall(1)

    def _recall(self, step: int) -> None:
        index = min(max(self._history_index + step, 0), len(self._history))
        if index == self._history_index:
            return
        if self._history_index == len(self._history):
            self._draft = self.text
        self._history_index = index
        self.text = self._draft if index == len(self._history) else self._history[index]
        self.move_cursor(self.document.end)
