"""What can be done with an earlier question: change it, ask it once more, show another version of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.errors import InputError

if TYPE_CHECKING:
    from tui.app.chat.chat_view import ChatView
    from tui.app.transcript.blocks import UserBlock


def edit(chat: ChatView, exchange: int | None = None) -> None:
    """Put an earlier question into the input (the last one at None); sent, it takes that one's place.

    Raise InputError while a turn runs, and where nothing was asked or nothing can be saved.
    """
    exchange = _require_question(chat, exchange)
    chat.composer.edit("question", exchange, chat.sessions.typed(exchange))


async def retry(chat: ChatView, exchange: int | None = None) -> None:
    """Ask an earlier question (the last one at None) once more, in its place. Raise as `edit` does."""
    exchange = _require_question(chat, exchange)
    text = chat.sessions.typed(exchange)
    chat.composer.replace(exchange)
    await chat.ask(text)


async def switch_version(chat: ChatView, block: UserBlock, step: int) -> None:
    """Show another version of a question with what followed it. Raise InputError while a turn runs."""
    if block.exchange not in block.versions:
        return
    index = block.versions.index(block.exchange) + step
    if 0 <= index < len(block.versions):
        _require_question(chat, block.exchange)
        chat.sessions.require_writer().switch(block.versions[index])
        await chat.show_session()


def number_last(chat: ChatView) -> None:
    """Tell the block of the last question which exchange of the session it is."""
    writer = chat.sessions.writer
    if writer and writer.head is not None and chat.transcript.question is not None:
        versions = tuple(one.id for one in writer.record().siblings(writer.head))
        chat.transcript.question.show_version(writer.head, versions)


def _require_question(chat: ChatView, exchange: int | None) -> int:
    if chat.is_answering:
        raise InputError("a question is being answered", "wait, or stop it with Esc")
    writer = chat.sessions.require_writer()
    exchange = writer.head if exchange is None else exchange
    if exchange is None:
        raise InputError("nothing was asked so far", "ask something first")
    return exchange
