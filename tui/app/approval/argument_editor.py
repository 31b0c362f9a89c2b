"""An editor of a call's arguments: a text area for each; Ctrl+S shows what the changed call would do."""

from __future__ import annotations

from typing import Any

from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widgets import Static, TextArea

from agent.consent import Request
from agent.errors import ToolError
from agent.paths import parse_json
from agent.transcript import Call, compact
from tui.text import one_line, plain, visible


class ArgumentEditor(VerticalScroll, can_focus=False):
    """Texts are edited as they are, other values as JSON. Nothing is called from here.

    A value with characters that could steer the terminal is shown escaped and kept as it is.
    """

    class Changed(Message):
        """The person changed the call to that of `request`."""

        def __init__(self, request: Request) -> None:
            self.request = request
            super().__init__()

    def __init__(self, request: Request) -> None:
        super().__init__()
        self._request = request
        self._areas: dict[str, TextArea] = {}

    def compose(self) -> ComposeResult:
        """Yield the name and the value of each argument, and what the keys do."""
        for name, value in self._request.call.arguments.items():
            text = value if isinstance(value, str) else compact(value)
            if plain(text) != text.expandtabs(4):
                yield Static(f"{one_line(name)} (cannot be edited here)", markup=False, classes="name")
                yield Static(visible(text), markup=False)
                continue
            self._areas[name] = TextArea(text, compact=True, highlight_cursor_line=False)
            yield Static(one_line(name), markup=False, classes="name")
            yield self._areas[name]
        yield Static("Ctrl+S shows what the changed call would do, Esc goes back", classes="hint")

    def focus(self, scroll_visible: bool = True) -> ArgumentEditor:
        """Focus the first argument once it is there."""
        self.call_after_refresh(self._focus_first)
        return self

    def on_key(self, event: events.Key) -> None:
        """Check the arguments at Ctrl+S and hand them over."""
        if event.key != "ctrl+s":
            return
        event.stop()
        try:
            self.post_message(self.Changed(self._request.revised(self._written())))
        except (ToolError, ValueError) as error:
            self.query_one(".hint", Static).update(plain(f"That does not work: {one_line(str(error))}"))

    def _written(self) -> Call:
        """Return the call with the arguments as they stand. Raise ValueError for a value that is not JSON."""
        arguments: dict[str, Any] = dict(self._request.call.arguments)
        for name, area in self._areas.items():
            arguments[name] = area.text if isinstance(arguments[name], str) else parse_json(area.text)
        return Call(self._request.call.name, arguments)

    def _focus_first(self) -> None:
        for area in self._areas.values():
            area.focus()
            return
