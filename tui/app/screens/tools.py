"""The tools screen: which tools the models are offered for the rest of this session."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import SelectionList
from textual.widgets.selection_list import Selection

from agent.tools import Tool
from tui.text import one_line


class ToolsScreen(ModalScreen[tuple[str, ...]]):
    """Lists tools, each on or off; it is dismissed with the names of those that are on."""

    BINDINGS = [Binding("escape,q", "close", "close")]  # noqa: RUF012 - textual declares it without ClassVar

    def __init__(self, tools: Sequence[Tool], on: Sequence[str]) -> None:
        super().__init__()
        self._tools = sorted(tools, key=lambda tool: tool.name)
        self._on = on

    def compose(self) -> ComposeResult:
        """Yield the list."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Tools of this session"
            dialog.border_subtitle = "Space switches one on or off; Esc closes"
            width = max(len(tool.name) for tool in self._tools)
            yield SelectionList[str](
                *(
                    Selection(
                        Content(f"{tool.name:{width}}  {tool.may:7}  {one_line(tool.spec.description)}"),
                        tool.name,
                        tool.name in self._on,
                    )
                    for tool in self._tools
                )
            )

    def action_close(self) -> None:
        """Close the screen."""
        self.dismiss(tuple(self.query_one(SelectionList).selected))
