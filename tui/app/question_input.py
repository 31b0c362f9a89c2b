"""The message input: Enter sends, Up and Down recall sent messages, `/` and `@` are completed."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.message import Message
from textual.widgets import TextArea

from tui.app.chat.attached_files import is_long, save_pasted
from tui.app.chat.completion import CompletionList
from tui.app.chat.history import QuestionHistory
from tui.text import count_text


class QuestionInput(TextArea):
    """A text area that grows with its text; `completions` shows what completes the word before the cursor.

    Shift+Enter inserts a line break, as does Ctrl+J where the terminal does not report Shift. Tab in an empty
    input shows the next one of `examples`. A long text that is pasted becomes a file, which is mentioned.
    """

    class Sent(Message):
        """The user sent `text`; it is empty where Enter was pressed in an empty input."""

        def __init__(self, text: str) -> None:
            self.text = text
            super().__init__()

    class TakenBack(Message):
        """Up was pressed in an empty input while questions wait."""

    def __init__(self, completions: CompletionList) -> None:
        super().__init__(
            compact=True, highlight_cursor_line=False, placeholder="Ask something, or /help", id="question"
        )
        self.cursor_blink = False  # each blink draws the input, and with an answer that grows all between
        self.sent_before = QuestionHistory()
        self.examples: Sequence[str] = ()
        self.queued = False
        """Whether Up in an empty input takes a question back instead of recalling one."""
        self._completions = completions
        self._history_index = 0
        self._draft = ""
        self._recalled = ""
        """The text that was put in as a whole: nothing completes it until it is changed."""

    def on_mount(self) -> None:
        """Read the history."""
        self.sent_before.load()
        self._history_index = len(self.sent_before.questions)

    def remember(self, text: str) -> None:
        """Append a sent text to the history and clear the input."""
        self.sent_before.add(text)
        self.put("")

    def put(self, text: str) -> None:
        """Replace the text, the cursor at its end."""
        self._history_index = len(self.sent_before.questions)
        self._replace_text(text)

    def update_completions(self) -> None:
        """Show what completes the word before the cursor."""
        if self.text == self._recalled or not self.selection.is_empty:
            self._completions.close()
        else:
            self._recalled = ""
            self._completions.update_for(self._before)

    @property
    def _before(self) -> str:
        """The text before the cursor."""
        return self.get_text_range((0, 0), self.cursor_location)

    async def _on_key(self, event: events.Key) -> None:
        if self._takes(event.key):
            event.stop()
            event.prevent_default()
        else:
            await super()._on_key(event)

    def _takes(self, key: str) -> bool:
        """Handle a key; return whether it is handled."""
        # Typed faster than the list follows: what it shows may be for a text of a few keys ago.
        if key in ("tab", "enter", "escape") and self._completions.before != self._before:
            self.update_completions()
        choosing = self._completions.is_open
        if choosing and key == "escape":
            self._recalled = self.text
            self._completions.close()
        elif choosing and (key == "tab" or (key == "enter" and not self._completions.is_whole(self._before))):
            self._complete()
        elif key == "enter":
            self.post_message(self.Sent(self.text.strip()))
        elif key in ("shift+enter", "ctrl+j", "alt+enter"):
            self.insert("\n")
        elif key == "tab" and self.examples and self.text in ("", *self.examples):
            index = self.examples.index(self.text) + 1 if self.text else 0
            self.put(self.examples[index % len(self.examples)])
        else:
            return False
        return True

    def _complete(self) -> None:
        before = self._before
        start, text = self._completions.chosen()
        row, column = self.cursor_location
        self.replace(f"{text} ", (row, column - (len(before) - start)), (row, column))
        self._recalled = self.text
        self._completions.close()

    async def _on_paste(self, event: events.Paste) -> None:
        """Insert a pasted text; write a long one to a file that is mentioned instead."""
        if not is_long(event.text):
            return  # the text area inserts it
        event.stop()
        event.prevent_default()
        try:
            name = save_pasted(event.text)
        except (OSError, UnicodeError) as error:
            self.notify(f"The pasted text cannot be kept: {error}", severity="error", markup=False)
            return
        blank = "" if not self._before or self._before[-1].isspace() else " "
        self.insert(f"{blank}@{name} ")
        self._recalled = self.text
        lines = count_text(len(event.text.splitlines()), "line")
        self.notify(f"The pasted text is attached: {lines}. Now ask something about it.", markup=False)

    def action_cursor_up(self, select: bool = False) -> None:
        """Choose a completion, else move up; on the first line, recall the previous message."""
        if self._completions.is_open:
            self._completions.move(-1)
        elif self.queued and not self.text:
            self.post_message(self.TakenBack())
        elif select or not self.navigator.is_first_wrapped_line(self.cursor_location):
            super().action_cursor_up(select)
        else:
            self._recall(-1)

    def action_cursor_down(self, select: bool = False) -> None:
        """Choose a completion, else move down; on the last line, recall the next message."""
        if self._completions.is_open:
            self._completions.move(1)
        elif select or not self.navigator.is_last_wrapped_line(self.cursor_location):
            super().action_cursor_down(select)
        else:
            self._recall(1)

    def _recall(self, step: int) -> None:
        sent = self.sent_before.questions
        index = min(max(self._history_index + step, 0), len(sent))
        if index == self._history_index:
            return
        if self._history_index == len(sent):
            self._draft = self.text
        self._history_index = index
        self._replace_text(self._draft if index == len(sent) else sent[index])

    def _replace_text(self, text: str) -> None:
        self._recalled = self.text = text
        self._completions.close()
        self.move_cursor(self.document.end)
