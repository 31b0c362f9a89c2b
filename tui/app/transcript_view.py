"""The scrolling transcript: shows the events of the agent as blocks."""

from __future__ import annotations

from textual.containers import VerticalScroll

from agent.events import AnswerDelta, CallProposed, Event, Finished, Observation, Thought, Trimmed
from tui.app.blocks import (
    AnswerBlock,
    Block,
    CallBlock,
    NoteBlock,
    ObservationBlock,
    PlainAnswerBlock,
    ThoughtBlock,
    UserBlock,
)
from tui.text import one_line

WELCOME = "umi: three small models on this machine, nothing leaves it. /help lists keys and commands."


class TranscriptView(VerticalScroll, can_focus=False):
    """The blocks of a conversation, and the answer that is being streamed."""

    def __init__(self) -> None:
        super().__init__(NoteBlock(WELCOME), id="transcript")
        self.last_answer = ""
        """The text of the last finished answer."""
        self.plain_answers = False
        """Whether answers quote texts as they are, and are no Markdown."""
        self._answer: AnswerBlock | PlainAnswerBlock | None = None

    async def add(self, block: Block | AnswerBlock) -> None:
        """Append a block; do nothing once the view is removed from the screen."""
        if self.is_attached:
            await self.mount(block)

    async def add_error(self, message: str) -> None:
        """Append an error message."""
        await self.add(NoteBlock(f"umi: {one_line(message)}", error=True))

    async def restart(self) -> None:
        """Remove all blocks and show the welcome message."""
        self._answer, self.last_answer = None, ""
        await self.remove_children()
        await self.add(NoteBlock(WELCOME))

    async def start_turn(self, text: str) -> None:
        """Show a message of the user; the next answer gets a block of its own."""
        self._answer = None
        await self.add(UserBlock(text))

    async def show(self, event: Event, max_steps: int) -> None:
        """Show an event of the running turn, which may take `max_steps` steps."""
        match event:
            case Thought(_, text, next_):
                if text and next_ != "give up":
                    await self.add(ThoughtBlock(text))
            case CallProposed(_, _, name, arguments):
                await self.add(CallBlock(name, arguments))
            case Observation(_, _, _, ok, content):
                await self.add(ObservationBlock(content, ok))
            case Trimmed(dropped):
                await self.add(
                    NoteBlock(f"To make room, {dropped} old turns or results were left out or cut.")
                )
            case AnswerDelta(text):
                await (await self._answer_block()).write(text)
            case Finished():
                await self._finish(event, max_steps)

    async def fail_turn(self, error: str) -> None:
        """End the answer that is being streamed and show an error message."""
        await self._end_answer()
        await self.add_error(error)

    def toggle_folds(self) -> None:
        """Show every long result in full, or fold them all if none is folded."""
        blocks = [block for block in self.query(ObservationBlock) if block.foldable]
        all_shown = all(block.unfolded for block in blocks)
        for block in blocks:
            block.fold(all_shown)

    async def _answer_block(self) -> AnswerBlock | PlainAnswerBlock:
        if self._answer is None:
            self._answer = PlainAnswerBlock() if self.plain_answers else AnswerBlock()
            await self.add(self._answer)
        return self._answer

    async def _finish(self, event: Finished, max_steps: int) -> None:
        match event.reason:
            case "answered" | "gave_up" | "failed":
                block = await self._answer_block()
                if event.reason == "failed" and block.is_attached:
                    text = "This failed: the last call ended in an error, which is shown above."
                    await self.mount(NoteBlock(text, error=True), before=block)
                block.set_class(event.reason == "gave_up", "gave-up")
                block.set_class(event.reason == "failed", "failed")
                await block.finish(event.answer)
                self.last_answer = event.answer
            case "unsure":
                await self.add(NoteBlock(f"Not done: {event.answer}", error=True))
            case "step_limit":
                text = f"No answer after {max_steps} steps; ask for less at once."
                await self.add(NoteBlock(text, error=True))
            case "cancelled":
                await self._end_answer()
                await self.add(NoteBlock("Stopped; this question is not part of the conversation."))
            case "error":
                await self.fail_turn(event.answer)

    async def _end_answer(self) -> None:
        if self._answer is not None:
            await self._answer.finish()
