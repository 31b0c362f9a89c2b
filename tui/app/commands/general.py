"""The commands of the app itself: help, its looks, leaving."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.app.appearance.themes import THEMES
from tui.app.commands.registry import SlashCommand

if TYPE_CHECKING:
    from tui.app.app import UmiApp


async def _help(app: UmiApp, rest: str) -> None:
    app.show_help()


async def _theme(app: UmiApp, rest: str) -> None:
    from agent.config import set_value

    if not rest:
        await app.show_note(
            f"The theme is {app.theme}; /theme NAME takes {', '.join(theme.name for theme in THEMES)}."
        )
        return
    set_value("theme", rest.lower())
    app.theme = rest.lower()


async def _quit(app: UmiApp, rest: str) -> None:
    app.exit()


COMMANDS = (
    SlashCommand("help", "keys and commands", _help, aliases=("keys",)),
    SlashCommand("theme", "colours: dark, light, high-contrast", _theme, "[NAME]"),
    SlashCommand("quit", "leave umi", _quit, aliases=("exit", "q")),
)
