"""The blocks of exchanges that are over, made from their stored events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from agent.events import AnswerDelta, CallProposed, Event, Finished, Mentioned, Observation, Thought, Trimmed
from tui.app.transcript.blocks import (
    Block,
    CallBlock,
    MarkBlock,
    NoteBlock,
    ObservationBlock,
    PlainAnswerBlock,
    ThoughtBlock,
    UserBlock,
)
from tui.text import count_text, mentioned_text, one_line, trimmed_text

if TYPE_CHECKING:
    from tui.app.transcript.markdown_answer import AnswerBlock

    AnyBlock = Block | AnswerBlock
    from agent.sessions import Exchange

FAILED = "This failed: the last call ended in an error, which is shown above."
STOPPED = "Stopped; this question is not part of the conversation."
INTERRUPTED = "Interrupted: umi ended before this was answered. The question is in the input again."
RUNNING = "Another umi is answering this question."


def error_block(message: str) -> NoteBlock:
    """Return the block of an error of the app."""
    return NoteBlock(f"umi: {one_line(message)}", error=True)


def step_block(event: Event) -> Block | None:
    """Return the block of an event before the answer; None where it has none."""
    match event:
        case Thought(_, text, next_):
            return ThoughtBlock(text) if text and next_ != "give up" else None
        case CallProposed(_, _, name, arguments):
            return CallBlock(name, arguments)
        case Observation(_, _, _, ok, content):
            return ObservationBlock(content, ok)
        case Mentioned():
            return NoteBlock(mentioned_text(event))
        case Trimmed():
            return NoteBlock(f"{trimmed_text(event)}. F8 lists what they see, /new starts afresh.")
    return None


def answer_block(text: str = "", classes: str = "", *, plain_answers: bool) -> AnswerBlock | PlainAnswerBlock:
    """Return the block of an answer, which is Markdown unless answers are shown as they are written."""
    if plain_answers:
        return PlainAnswerBlock(text, classes)
    from tui.app.transcript.markdown_answer import AnswerBlock

    return AnswerBlock(text, classes)


def end_block(event: Finished, max_steps: int) -> NoteBlock | None:
    """Return the note on a turn that ended without an answer, or with one that nothing supports, or None."""
    if event.unsupported:
        return NoteBlock(event.unsupported, error=True)
    match event.reason:
        case "unsure":
            return NoteBlock(f"Not done: {event.answer}", error=True)
        case "step_limit":
            limit = f" after {count_text(max_steps, 'step')}" if max_steps else ""
            return NoteBlock(f"No answer{limit}; ask for less at once.", error=True)
        case "cancelled":
            return NoteBlock(STOPPED)
        case "error":
            return error_block(event.answer)
        case _:
            return None


def blocks_of(exchange: Exchange, versions: Sequence[int], *, plain_answers: bool) -> Iterator[AnyBlock]:
    """Yield the blocks of an exchange, its question first."""
    yield UserBlock(exchange.question, exchange.id, versions)
    written = ""
    for event in exchange.events:
        block = step_block(event)
        if isinstance(block, ObservationBlock) and block.is_repeated_by(exchange.answer):
            block.mark_repeated()
        if block is not None:
            yield block
        match event:
            case AnswerDelta(text):
                written += text
            case Finished():
                yield from _end(event, written, plain_answers)
    if exchange.state == "interrupted":
        yield error_block(INTERRUPTED)
    elif exchange.state == "running":
        yield NoteBlock(RUNNING, error=True)
    if exchange.mark:
        yield MarkBlock(exchange.id, exchange.mark, exchange.correction)


def _end(event: Finished, written: str, plain_answers: bool) -> Iterator[AnyBlock]:
    if event.reason in ("answered", "gave_up", "failed"):
        if event.reason == "failed":
            yield NoteBlock(FAILED, error=True)
        kind = "" if event.reason == "answered" else event.reason.replace("_", "-")
        yield answer_block(event.answer, kind, plain_answers=plain_answers)
    elif written.strip():
        yield answer_block(written.strip(), plain_answers=plain_answers)
    if note := end_block(event, 0):
        yield note
