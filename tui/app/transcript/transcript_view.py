"""The scrolling transcript: shows the events of the agent as blocks.

Of a long conversation only the end is mounted: what is above is mounted as one scrolls up to it, and taken
off again when the next turn starts, so that a thousand blocks take no more time to lay out than a hundred.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, cast

from textual import events
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widget import Widget

from agent.events import AnswerDelta, Event, Finished
from tui.app.transcript.blocks import (
    MarkBlock,
    NoteBlock,
    ObservationBlock,
    PlainAnswerBlock,
    UserBlock,
)
from tui.app.transcript.replay import FAILED, answer_block, end_block, error_block, step_block

if TYPE_CHECKING:
    from agent.sessions import Mark
    from tui.app.transcript.markdown_answer import AnswerBlock
    from tui.app.transcript.replay import AnyBlock

MOST_MOUNTED = 200
"""Number of blocks from which on the oldest are taken off when a turn starts."""
LEAST_MOUNTED = 60
"""Number of blocks that stay mounted then, and that are mounted at a time."""

BlockKey = Literal["copy", "edit", "retry", "good", "wrong", "correct", "older", "newer", "leave"]
_KEYS: dict[str, BlockKey] = {
    "c": "copy",
    "e": "edit",
    "r": "retry",
    "g": "good",
    "w": "wrong",
    "x": "correct",
    "left": "older",
    "right": "newer",
    "escape": "leave",
}


class TranscriptView(VerticalScroll, can_focus=False):
    """The blocks of a conversation, and the answer that is being streamed."""

    class KeyPressed(Message):
        """A key was pressed for the selected block."""

        def __init__(self, key: BlockKey, block: AnyBlock) -> None:
            self.key: BlockKey = key
            self.block = block
            super().__init__()

    def __init__(self) -> None:
        super().__init__(id="transcript")
        self.last_answer = ""
        """The text of the last finished answer."""
        self.plain_answers = False
        """Whether answers quote texts as they are, and are no Markdown."""
        self.selected: AnyBlock | None = None
        self.question: UserBlock | None = None
        """The block of the question of the running or last turn."""
        self._answer: AnswerBlock | PlainAnswerBlock | None = None
        self._above: list[AnyBlock] = []
        """Blocks above the mounted ones, oldest first, none of them mounted so far."""
        self._loading = False

    def on_mount(self) -> None:
        """Stay at the end as the transcript grows."""
        self.anchor()

    @property
    def blocks(self) -> list[AnyBlock]:
        """The mounted blocks."""
        return [cast("AnyBlock", child) for child in self.children]

    async def add(self, block: AnyBlock) -> None:
        """Append a block; do nothing once the view is removed from the screen."""
        if self.is_attached:
            await self.mount(block)

    async def add_error(self, message: str) -> None:
        """Append an error message."""
        await self.add(error_block(message))

    async def open(self, blocks: Iterable[AnyBlock]) -> None:
        """Show these blocks in place of all others, from the end."""
        blocks = list(blocks)
        self._answer = self.question = self.selected = None
        answers = [block.text for block in blocks if block.is_answer]
        self.last_answer = answers[-1] if answers else ""
        await self.remove_children()
        self._above, shown = blocks[:-LEAST_MOUNTED], blocks[-LEAST_MOUNTED:]
        if self.is_attached:
            await self.mount_all(shown)
        self.anchor()

    async def start_turn(self, text: str) -> None:
        """Show a message of the user; the next answer gets a block of its own."""
        self._answer = None
        self.question = UserBlock(text)
        await self._take_off_oldest()
        await self.add(self.question)
        self.anchor()

    async def show(self, event: Event, max_steps: int) -> None:
        """Show an event of the running turn, which may take `max_steps` steps."""
        if block := step_block(event):
            await self.add(block)
        match event:
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

    async def select(self, step: int) -> None:
        """Select the block `step` before (negative) or after the selected one, the last one at first."""
        blocks = self.blocks
        if not blocks:
            return
        if self.selected in blocks:
            index = blocks.index(self.selected) + step
            if index < 0 and self._above:
                more = min(len(self._above), LEAST_MOUNTED)
                await self._load_above()
                index, blocks = index + more, self.blocks
        else:
            index = len(blocks) - 1
        self._mark(blocks[min(max(index, 0), len(blocks) - 1)])

    def question_of(self, block: AnyBlock) -> UserBlock | None:
        """Return the question that `block` belongs to: itself, or the last one above it."""
        blocks = self.blocks
        above = blocks[: blocks.index(block) + 1] if block in blocks else []
        return next((one for one in reversed(above) if isinstance(one, UserBlock)), None)

    async def show_mark(self, exchange: int, mark: Mark | None, correction: str = "") -> None:
        """Show the mark of an answer below it, in place of the one that it had."""
        self._above = [block for block in self._above if not _is_mark_of(block, exchange)]
        await self.remove_children([block for block in self.blocks if _is_mark_of(block, exchange)])
        if mark is None:
            return
        new, above, blocks = MarkBlock(exchange, mark, correction), len(self._above), self.blocks
        end = _end_of([*self._above, *blocks], exchange)
        if end < above:
            self._above.insert(end, new)
        else:
            await self.mount(new, before=blocks[end - above] if end < above + len(blocks) else None)

    def leave(self) -> None:
        """Select no block."""
        self._mark(None)

    def _mark(self, block: AnyBlock | None) -> None:
        if self.selected is not None:
            self.selected.remove_class("selected")
        self.selected = block
        self.can_focus = block is not None
        if block is not None:
            block.add_class("selected")
            self.focus()
            self.scroll_to_widget(block, animate=False)

    async def on_key(self, event: events.Key) -> None:
        """Act on the selected block."""
        if self.selected is None:
            return
        handled = True
        if event.key in ("up", "down"):
            await self.select(-1 if event.key == "up" else 1)
        elif event.key in ("enter", "space", "o") and isinstance(self.selected, ObservationBlock):
            self.selected.fold(self.selected.unfolded)
        elif key := _KEYS.get(event.key):
            self.post_message(self.KeyPressed(key, self.selected))
        else:
            handled = False
        if handled:
            event.stop()
            event.prevent_default()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Mount what is above once the user scrolls up to it."""
        super().watch_scroll_y(old_value, new_value)
        if self._above and new_value < old_value and new_value < self.size.height and not self._loading:
            self._loading = True
            self.call_later(self._load_above)

    async def _load_above(self) -> None:
        """Mount the next blocks above, and keep what is on the screen in its place."""
        self._loading = True
        shown = self._above[-LEAST_MOUNTED:]
        del self._above[-LEAST_MOUNTED:]
        below = self.virtual_size.height - self.scroll_y
        first: Widget | None = self.children[0] if self.children else None
        await self.mount_all(shown, before=first)

        def keep_place() -> None:
            self.scroll_to(y=self.virtual_size.height - below, animate=False)
            self._loading = False

        self.call_after_refresh(keep_place)

    async def _take_off_oldest(self) -> None:
        blocks = self.blocks
        if len(blocks) > MOST_MOUNTED:
            oldest = blocks[:-LEAST_MOUNTED]
            self._above += [block.again() for block in oldest]
            await self.remove_children(oldest)

    async def _answer_block(self) -> AnswerBlock | PlainAnswerBlock:
        if self._answer is None:
            self._answer = answer_block(plain_answers=self.plain_answers)
            await self.add(self._answer)
        return self._answer

    async def _finish(self, event: Finished, max_steps: int) -> None:
        if event.reason in ("answered", "gave_up", "failed"):
            self._fold_repeated(event.answer)
            block = await self._answer_block()
            if event.reason == "failed" and block.is_attached:
                await self.mount(NoteBlock(FAILED, error=True), before=block)
            block.set_class(event.reason == "gave_up", "gave-up")
            block.set_class(event.reason == "failed", "failed")
            await block.finish(event.answer)
            self.last_answer = event.answer
        else:
            await self._end_answer()
        if note := end_block(event, max_steps):
            await self.add(note)

    def _fold_repeated(self, answer: str) -> None:
        """Fold the results of the turn that the answer only repeats."""
        for block in reversed(self.blocks):
            if block is self.question:
                return
            if isinstance(block, ObservationBlock) and block.is_repeated_by(answer):
                block.mark_repeated()

    async def _end_answer(self) -> None:
        if self._answer is not None:
            await self._answer.finish()


def _is_mark_of(block: AnyBlock, exchange: int) -> bool:
    return isinstance(block, MarkBlock) and block.exchange == exchange


def _end_of(blocks: Sequence[AnyBlock], exchange: int) -> int:
    """Return the index behind the last block of an exchange, the end where its question is not shown."""
    inside = False
    for at, block in enumerate(blocks):
        if isinstance(block, UserBlock):
            if inside:
                return at
            inside = block.exchange == exchange
    return len(blocks)
