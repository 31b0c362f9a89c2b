"""What a key does with the selected block: copying it, and what is done with its question and answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.errors import InputError
from tui.app.chat.earlier_questions import edit, retry, switch_version
from tui.app.chat.marks import correct, mark
from tui.app.transcript.transcript_view import BlockKey

if TYPE_CHECKING:
    from tui.app.chat.chat_view import ChatView
    from tui.app.transcript.replay import AnyBlock

HINT = "c copies, e edits, r retries, g good, w wrong, x corrects, Esc leaves"


async def act_on_block(chat: ChatView, key: BlockKey, block: AnyBlock) -> None:
    """Do what the key stands for. Raise UmiError where that cannot be done."""
    if key == "copy":
        chat.copy(block.text)
        return
    question = chat.transcript.question_of(block)
    chat.leave_selection()
    if key == "leave":
        return
    if question is None:
        raise InputError("this answers no question", "select a block of a question and its answer")
    match key:
        case "edit":
            edit(chat, question.exchange)
        case "retry":
            await retry(chat, question.exchange)
        case "older" | "newer":
            await switch_version(chat, question, -1 if key == "older" else 1)
        case "good" | "wrong":
            await mark(chat, key, exchange=question.exchange)
        case "correct":
            correct(chat, question.exchange)
