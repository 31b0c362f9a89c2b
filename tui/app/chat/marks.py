"""Marks of answers: good, wrong, or corrected by the right answer; training rows are made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.errors import InputError

if TYPE_CHECKING:
    from agent.sessions import Exchange, Mark
    from tui.app.chat.chat_view import ChatView

_NEXT: dict[Mark | None, Mark | None] = {None: "good", "good": "wrong", "wrong": None}


async def mark(chat: ChatView, mark: Mark | None, correction: str = "", exchange: int | None = None) -> None:
    """Mark the answer of an exchange (the last one at None) or take its mark away, and show it.

    Raise InputError while an answer is written, and where there is none to mark.
    """
    marked = _marked(chat, exchange)
    chat.sessions.require_store().mark(marked.id, mark, correction)
    await chat.transcript.show_mark(marked.id, mark, correction)


async def next_mark(chat: ChatView) -> None:
    """Mark the last answer as good, a good one as wrong, and take that mark away. Raise as `mark` does."""
    before = _marked(chat, None).mark
    if before not in _NEXT:
        raise InputError("this answer is corrected", "/unmark takes the correction away")
    await mark(chat, _NEXT[before])


def correct(chat: ChatView, exchange: int | None = None) -> None:
    """Put an answer into the input: what is sent then is kept as the right one. Raise as `mark` does."""
    wrong = _marked(chat, exchange)
    chat.composer.edit("answer", wrong.id, wrong.correction or wrong.answer)


async def keep_correction(chat: ChatView, exchange: int, text: str) -> None:
    """Keep `text` as the right answer of an exchange, and leave it. Raise as `mark` does."""
    await mark(chat, "corrected", text, exchange)
    chat.composer.leave_edited()


def _marked(chat: ChatView, exchange: int | None) -> Exchange:
    if chat.is_answering:
        raise InputError("the answer is still being written", "mark it when it is complete")
    writer = chat.sessions.require_writer()
    exchange = writer.head if exchange is None else exchange
    found = [one for one in writer.record().exchanges if one.id == exchange]
    if not found:
        raise InputError("there is no answer to mark", "ask something first")
    return found[0]
