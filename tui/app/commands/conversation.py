"""The commands of the conversation: a new one, copying, undo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.errors import InputError
from tui.app.chat.earlier_questions import edit, retry
from tui.app.commands.registry import SlashCommand

if TYPE_CHECKING:
    from tui.app.app import UmiApp


async def _new(app: UmiApp, rest: str) -> None:
    await app.start_conversation()


async def _copy(app: UmiApp, rest: str) -> None:
    app.action_copy()


async def _retry(app: UmiApp, rest: str) -> None:
    await retry(app.chat)


async def _edit(app: UmiApp, rest: str) -> None:
    edit(app.chat)


async def _times(app: UmiApp, rest: str) -> None:
    from tui.app.screens.times import TimesScreen

    app.push_screen(TimesScreen(app.chat.progress.last, app.chat.progress.total))


async def _context(app: UmiApp, rest: str) -> None:
    from tui.app.screens.context import ContextScreen

    if app.chat.conversation is None:
        raise InputError("there are no models yet", "wait until they are loaded")
    app.push_screen(ContextScreen(app.chat.meter, app.chat.conversation.transcript))


async def _undo(app: UmiApp, rest: str) -> None:
    from tui.cli.undo import undo_message

    if rest and not (rest.isascii() and rest.isdecimal()):
        raise InputError(
            f"{rest!r} is not the number of a write", "/undo NUMBER takes one of `umi undo --list`"
        )
    await app.show_note(undo_message(int(rest) if rest else None))


COMMANDS = (
    SlashCommand("new", "start a new conversation", _new, aliases=("clear",)),
    SlashCommand("copy", "copy the last answer", _copy),
    SlashCommand("retry", "ask the last question once more", _retry),
    SlashCommand("edit", "change the last question and ask it in its place", _edit),
    SlashCommand("times", "what each role read and wrote, and how long", _times),
    SlashCommand("context", "what the models see, and what was left out to make room", _context),
    SlashCommand("undo", "put back what the last written file held before", _undo, "[NUMBER]"),
)
