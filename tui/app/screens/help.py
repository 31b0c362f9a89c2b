"""The help screen: the keys in force and every slash command."""

from __future__ import annotations

from collections.abc import Sequence

from textual.binding import Binding
from textual.content import Content

from tui.app.appearance.keys import KeyHelp
from tui.app.commands.registry import SlashCommand
from tui.app.screens.text_screen import TextScreen

FIXED_KEYS = (
    ("Enter", "send"),
    ("Shift+Enter, Ctrl+J", "new line"),
    ("Up, Down", "bring back what was sent"),
    ("Ctrl+G", "allow the call that is asked about, once"),
    ("Tab", "reach the other answers to that question"),
)
"""Keys that cannot be changed: they belong to the input and to the question about a call."""


class HelpScreen(TextScreen):
    """Lists keys and commands; Esc, F1 or q closes it."""

    HEADING = "Help"
    BINDINGS = [Binding("f1", "dismiss", "close")]  # noqa: RUF012 - textual declares it without ClassVar

    def __init__(self, commands: Sequence[SlashCommand], keys: Sequence[KeyHelp], config: str) -> None:
        super().__init__()
        self._commands = commands
        self._keys = keys
        self._config = config

    def text(self) -> Content:
        """Return the tables of keys and commands."""
        keys = [*FIXED_KEYS, *((", ".join(key.shown), key.help) for key in self._keys)]
        commands = [
            (", ".join([command.usage, *(f"/{alias}" for alias in command.aliases)]), command.help)
            for command in self._commands
        ]
        parts: list[str | tuple[str, str]] = []
        for title, rows in (("Keys", keys), ("Commands, typed into the input", commands)):
            parts.append((f"{title}\n", "bold"))
            width = min(26, max(len(name) for name, _ in rows))
            for name, help_text in rows:
                parts.append(f"  {name:{width}}  ")
                parts.append((f"{help_text}\n", "$text-muted"))
            parts.append("\n")
        parts.append((f"Keys, theme and more are set in {self._config}", "$text-muted"))
        return Content.assemble(*parts)
