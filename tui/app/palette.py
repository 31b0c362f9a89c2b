"""The command palette: what it offers, beside Textual's own search in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from textual.app import SystemCommand

from tui.app.appearance.themes import THEMES
from tui.app.commands import COMMANDS

if TYPE_CHECKING:
    from tui.app.app import UmiApp


def palette_commands(app: UmiApp) -> Iterator[SystemCommand]:
    """Yield every slash command, run at once where it takes no argument and else typed into the input."""
    for command in COMMANDS:
        needed = command.arguments and not command.arguments.startswith("[")
        action: Callable[[], object] = (
            partial(app.put_question, f"/{command.name} ")
            if needed
            else partial(app.run_command, command.name)
        )
        yield SystemCommand(f"/{command.name}", command.help, action)
    for theme in THEMES:
        run = partial(app.run_command, "theme", theme.name)
        yield SystemCommand(f"Theme: {theme.name}", "colours of the app", run)
