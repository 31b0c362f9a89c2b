"""The tools screen: which tools the models are offered for the rest of this session, and which are pinned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import SelectionList
from textual.widgets.selection_list import Selection

from agent.config import read_config, set_value
from agent.config.schema import BUILTIN
from agent.errors import UmiError
from agent.tools import BUILTIN_NAMES, Tool
from tui.text import one_line


class ToolsScreen(ModalScreen[tuple[str, ...]]):
    """Lists tools, each on or off; it is dismissed with the names of those that are on.

    P pins a tool, or takes its pin away, in the config file: where more tools are on than fit, the pinned
    ones are on offer in any case.
    """

    BINDINGS = [  # noqa: RUF012 - textual declares it without ClassVar
        Binding("escape,q", "close", "close"),
        Binding("p", "pin", "pin"),
    ]

    def __init__(self, tools: Sequence[Tool], on: Sequence[str], problems: Mapping[str, str]) -> None:
        """`problems` say why a tool cannot be switched on, by name; empty where it can."""
        super().__init__()
        self._tools = sorted(tools, key=lambda tool: tool.name)
        self._on = on
        self._problems = problems
        self._pinned = list(read_config().pinned)

    def compose(self) -> ComposeResult:
        """Yield the list."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Tools of this session"
            dialog.border_subtitle = "Space: on or off; P: pinned, on offer in any case; Esc: close"
            yield SelectionList[str](
                *(
                    Selection(
                        self._line(tool),
                        tool.name,
                        tool.name in self._on,
                        disabled=bool(self._problems.get(tool.name)),
                    )
                    for tool in self._tools
                )
            )

    def _line(self, tool: Tool) -> Content:
        width = max(len(tool.name) for tool in self._tools)
        pin = "pinned" if tool.name in self._pinned else ""
        problem = self._problems.get(tool.name)
        text = f"cannot be offered: {problem}" if problem else tool.spec.description
        return Content(f"{tool.name:{width}}  {tool.may:7}  {pin:6}  {one_line(text)}")

    def action_pin(self) -> None:
        """Pin the tool under the cursor, or take its pin away, in the config file."""
        tools = self.query_one(SelectionList)
        if tools.highlighted is None:
            return
        tool = self._tools[tools.highlighted]
        pinned = [name for name in self._pinned if name != tool.name]
        if tool.name not in self._pinned:
            pinned.append(tool.name)
        try:
            set_value("pinned_tools", _written(pinned))
        except UmiError as error:
            self.notify(one_line(str(error)), severity="error", markup=False)
            return
        self._pinned = pinned
        tools.replace_option_prompt_at_index(tools.highlighted, self._line(tool))

    def action_close(self) -> None:
        """Close the screen."""
        self.dismiss(tuple(self.query_one(SelectionList).selected))


def _written(names: Sequence[str]) -> str:
    """Return names as the setting has them: a word for the built-in tools, where all of them are there."""
    if not set(BUILTIN_NAMES) <= set(names):
        return ", ".join(names)
    return ", ".join([BUILTIN, *(name for name in names if name not in BUILTIN_NAMES)])
