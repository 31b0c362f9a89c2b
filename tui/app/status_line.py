"""The last line of the screen: what the agent does, the models, and the speed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from tui.text import count_text, one_line, size_text

if TYPE_CHECKING:
    from agent.consent.policy import Mode
    from tui.setup import AgentInfo

Kind = Literal["idle", "busy", "waiting"]

_SPINNER_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_COLOURS: dict[Kind, str] = {"idle": "$text-success", "busy": "$text-warning", "waiting": "bold $text-accent"}
_BAR_WIDTH = 10
_SHOW_SECONDS_FROM = 3
"""Seconds in one state from which on they are shown."""


class StatusLine(Static):
    """Shows `state`, with a spinner while busy and `?` while a person is waited for, and what it runs on."""

    state = reactive("loading models…")
    kind: reactive[Kind] = reactive("busy")
    progress: reactive[float | None] = reactive(None)
    """The share of a long prompt that is read, from 0 to 1; shown as a bar."""
    mode: reactive[Mode] = reactive("ask")
    rates: reactive[tuple[float, float]] = reactive((0.0, 0.0))
    """Tokens read and tokens written in a second."""
    info: reactive[AgentInfo | None] = reactive(None)
    _frame = reactive(0)

    def __init__(self) -> None:
        super().__init__(markup=False, id="status")
        self._since = time.monotonic()

    def on_mount(self) -> None:
        """Advance the spinner five times a second."""
        self.set_interval(0.2, self._advance)

    @property
    def busy(self) -> bool:
        """Whether the agent or the loading works."""
        return self.kind == "busy"

    def show(self, state: str, kind: Kind = "busy", progress: float | None = None) -> None:
        """Show what is being done."""
        if state != self.state:
            self._since = time.monotonic()
        self.state, self.kind, self.progress = state, kind, progress

    def _advance(self) -> None:
        if self.busy:
            self._frame = (self._frame + 1) % len(_SPINNER_FRAMES)

    def render(self) -> Content:
        """Return the state on the left, and on the right the longest model description that fits."""
        width = self.content_size.width
        mark = {"idle": "●", "waiting": "?", "busy": _SPINNER_FRAMES[self._frame]}[self.kind]
        left = Content(f"{mark} {self.state}")
        left = left.stylize(_COLOURS[self.kind], 0, len(left) if self.kind == "waiting" else 1)
        if self.progress is not None:
            done = round(self.progress * _BAR_WIDTH)
            left = left.append_text(" " + "▰" * done + "▱" * (_BAR_WIDTH - done), "$text-primary")
            left = left.append(f" {int(100 * self.progress)} %")
        seconds = int(time.monotonic() - self._since)
        if self.busy and seconds >= _SHOW_SECONDS_FROM:
            left = left.append_text(f" {seconds} s", "$text-muted")
        left = left.append_text(f"  {self.mode}", "$text-muted" if self.mode == "ask" else "bold")
        for right in model_descriptions(self.info, self.rates):
            space = width - left.cell_length - len(right)
            if space >= 2:
                return Content.assemble(left, " " * space, (right, "$text-muted"))
        return left.truncate(width, ellipsis=True)


def model_descriptions(info: AgentInfo | None, rates: tuple[float, float]) -> list[str]:
    """Return the descriptions of the models and the tokens/s read and written, longest first."""
    if info is None:
        return []
    read, written = rates
    speed = f" · reads {read:,.0f}, writes {written:,.0f} tok/s" if read or written else ""
    short = f" · {written:,.0f} tok/s" if written else ""
    name = one_line(info.bundle, 40)
    files = "  ".join(f"{one_line(file, 40)} {size_text(size)}" for file, size in info.files)
    total = f"{count_text(len(info.files), 'model')} {size_text(sum(size for _, size in info.files))}"
    return [
        f"{name}: {files}{speed}",
        f"{name}: {total}{speed}",
        f"{name}{speed}",
        f"{name}{short}",
        short.removeprefix(" · "),
    ]
