"""A screen of one text over the chat, which scrolls."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static


class TextScreen(ModalScreen[None]):
    """Shows `text()` under `HEADING`; Esc or q closes it, and so does the key that a subclass binds."""

    HEADING = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "close"),
        Binding("up,k", "scroll(-1)", "up", show=False),
        Binding("down,j", "scroll(1)", "down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown,space", "page(1)", "page down", show=False),
    ]

    def compose(self) -> ComposeResult:
        """Yield the one text of the screen."""
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            dialog.border_title = self.HEADING
            dialog.border_subtitle = "Esc closes"
            yield Static(self.text(), classes="text")

    def text(self) -> Content:
        """Return what is shown."""
        raise NotImplementedError

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_page(self, pages: int) -> None:
        """Scroll by pages."""
        dialog = self.query_one(VerticalScroll)
        dialog.scroll_relative(y=pages * dialog.size.height, animate=False)
