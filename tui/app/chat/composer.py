"""The lower part of the chat: what waits, what completes, the input, and what the input stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import TextArea

from agent.errors import ToolError
from tui.app.chat.completion import Completion, CompletionList, completions
from tui.app.chat.context import ContextMeter
from tui.app.chat.queue import QueuedQuestions
from tui.app.commands import COMMANDS
from tui.app.question_input import QuestionInput
from tui.text import folder_text, one_line

if TYPE_CHECKING:
    from tui.setup import LoadedAgent

Part = Literal["question", "answer"]


class Edited(NamedTuple):
    """What is written in the input: the new text of a question, or the right answer to it."""

    part: Part
    exchange: int


_HINTS: dict[Part, str] = {
    "question": "an earlier question, changed; Esc leaves it as it is",
    "answer": "the right answer; Enter keeps it, Esc leaves it out",
}


class Composer(Vertical):
    """The input with the folder above it and the context of `meter` below."""

    def __init__(self, meter: ContextMeter) -> None:
        super().__init__(id="composer")
        self.queue = QueuedQuestions()
        self.completions = CompletionList(self._complete)
        self.question = QuestionInput(self.completions)
        self.edited: Edited | None = None
        self._meter = meter
        self._opened: LoadedAgent | None = None

    def compose(self) -> ComposeResult:
        """Yield what waits, what completes, and the input."""
        yield self.queue
        yield self.completions
        yield self.question

    def use(self, opened: LoadedAgent) -> None:
        """Name the folder of these models' tools, and complete its files."""
        self._opened = opened
        self.question.border_title = one_line(folder_text(opened.info.workspace), 50)

    def put(self, text: str) -> None:
        """Put a text into the input, for the user to change or send."""
        self.question.put(text)
        self.question.focus()

    def edit(self, part: Part, exchange: int, text: str) -> None:
        """Let the input hold a part of an exchange until it is sent or left."""
        self.put(text)
        self.edited = Edited(part, exchange)
        self.question.border_subtitle = _HINTS[part]

    def replace(self, exchange: int) -> None:
        """Let the question that is sent next take the place of an earlier one."""
        self.edited = Edited("question", exchange)

    def leave_edited(self) -> None:
        """Empty the input; what is sent next is a new question."""
        self.edited = None
        self.question.put("")
        self.show_context()

    def show_context(self) -> None:
        """Show how full the context is, unless something is edited."""
        if self.edited is None:
            self.question.border_subtitle = self._meter.text
            self.question.set_class(self._meter.is_nearly_full, "nearly-full")

    def next_question(self) -> str | None:
        """Take the oldest question that waits; None where there is none."""
        text = self.queue.next()
        self.question.queued = bool(self.queue.questions)
        return text

    def wait(self, text: str) -> None:
        """Let a question wait."""
        self.question.remember(text)
        self.queue.add(text)
        self.question.queued = True

    def on_text_area_changed(self, message: TextArea.Changed) -> None:
        """Show what completes the word before the cursor."""
        if message.text_area is self.question:
            self.question.update_completions()

    def on_question_input_taken_back(self) -> None:
        """Put the question that was queued last into the input."""
        if text := self.queue.take_back():
            self.put(text)
        self.question.queued = bool(self.queue.questions)

    def _complete(self, before: str) -> tuple[int, list[Completion]]:
        return completions(before, COMMANDS, self._files)

    def _files(self) -> list[str]:
        if self._opened is None:
            return []
        try:
            return self._opened.agent.toolbox.context.workspace.files()[0]
        except (OSError, ToolError):
            return []
