"""The commands of the conversation: a new one, copying, undo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.errors import InputError
from tui.app.commands.registry import SlashCommand
from tui.cli.undo import undo_message

if TYPE_CHECKING:
    from tui.app.app import UmiApp


async def _new(app: UmiApp, rest: str) -> None:
    await app.start_conversation()


async def _copy(app: UmiApp, rest: str) -> None:
    app.action_copy()


async def _undo(app: UmiApp, rest: str) -> None:
    if rest and not (rest.isascii() and rest.isdecimal()):
        raise InputError(f"{rest!r} is no number of a write", "/undo NUMBER takes one of `umi undo --list`")
    await app.show_note(undo_message(int(rest) if rest else None))


COMMANDS = (
    SlashCommand("new", "start a new conversation", _new, aliases=("clear",)),
    SlashCommand("copy", "copy the last answer", _copy),
    SlashCommand("undo", "put back what the last written file held before", _undo, "[NUMBER]"),
)
