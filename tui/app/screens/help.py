"""The help screen: the keys in force and every slash command."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.app.appearance.keys import KeyHelp
from tui.app.commands.registry import SlashCommand

FIXED_KEYS = (
    ("Enter", "send"),
    ("Shift+Enter, Ctrl+J", "new line"),
    ("Up, Down", "bring back what was sent"),
    ("Ctrl+G", "allow the call that is asked about, once"),
    ("Tab", "reach the other answers to that question"),
)
"""Keys that cannot be changed: they belong to the input and to the question about a call."""


class HelpScreen(ModalScreen[None]):
    """Lists keys and commands; Esc, F1 or q closes it."""

    BINDINGS = [  # noqa: RUF012 - textual declares it without ClassVar
        Binding("escape,f1,q", "dismiss", "close"),
        Binding("up,k", "scroll(-1)", "up", show=False),
        Binding("down,j", "scroll(1)", "down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown,space", "page(1)", "page down", show=False),
    ]

    def __init__(self, commands: Sequence[SlashCommand], keys: Sequence[KeyHelp], config: str) -> None:
        super().__init__()
        self._commands = commands
        self._keys = keys
        self._config = config

    def compose(self) -> ComposeResult:
        """Yield the one text of the screen."""
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            dialog.border_title = "Help"
            dialog.border_subtitle = "Esc closes"
            yield Static(self._text(), classes="help")

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_page(self, pages: int) -> None:
        """Scroll by pages."""
        dialog = self.query_one(VerticalScroll)
        dialog.scroll_relative(y=pages * dialog.size.height, animate=False)

    def _text(self) -> Text:
        keys = [*FIXED_KEYS, *((", ".join(key.shown), key.help) for key in self._keys)]
        commands = [
            (", ".join([command.usage, *(f"/{alias}" for alias in command.aliases)]), command.help)
            for command in self._commands
        ]
        text = Text()
        for title, rows in (("Keys", keys), ("Commands, typed into the input", commands)):
            text.append(f"{title}\n", "bold")
            width = min(26, max(len(name) for name, _ in rows))
            for name, help_text in rows:
                text.append(f"  {name:{width}}  ")
                text.append(f"{help_text}\n", "dim")
            text.append("\n")
        text.append(f"Keys, theme and more are set in {self._config}", "dim")
        return text
