"""The last line of the screen: the state of the agent, the models, and the speed."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive
from textual.widgets import Static

from agent.consent.policy import Mode
from tui.setup import AgentInfo
from tui.text import one_line, size_text

_SPINNER_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class StatusLine(Static):
    """Shows `state`, with a spinner while `busy`, the mode, the models, and the last turn's tokens/s."""

    state = reactive("loading models…")
    busy = reactive(True)
    mode: reactive[Mode] = reactive("ask")
    rate = reactive(0.0)
    info: reactive[AgentInfo | None] = reactive(None)
    _frame = reactive(0)

    def __init__(self) -> None:
        super().__init__(markup=False, id="status")

    def on_mount(self) -> None:
        """Advance the spinner ten times a second."""
        self.set_interval(0.1, self._advance)

    def _advance(self) -> None:
        if self.busy:
            self._frame = (self._frame + 1) % len(_SPINNER_FRAMES)

    def render(self) -> Text:
        """Return the state on the left, and on the right the longest model description that fits."""
        width = self.content_size.width
        left = Text(f"{_SPINNER_FRAMES[self._frame]} {self.state}" if self.busy else f"● {self.state}")
        left.stylize("yellow" if self.busy else "green", 0, 1)
        left.append(f"  {self.mode}", "dim" if self.mode == "ask" else "bold")
        for right in model_descriptions(self.info, self.rate):
            space = width - left.cell_len - len(right)
            if space >= 2:
                return left + Text(" " * space) + Text(right, "dim")
        left.truncate(width, overflow="ellipsis")
        return left


def model_descriptions(info: AgentInfo | None, rate: float) -> list[str]:
    """Return the descriptions of the models and the speed, longest first."""
    if info is None:
        return []
    speed = f" · {rate:.0f} tok/s" if rate else ""
    name = one_line(info.bundle, 40)
    files = "  ".join(f"{one_line(file, 40)} {size_text(size)}" for file, size in info.files)
    total = f"{len(info.files)} models {size_text(sum(size for _, size in info.files))}"
    return [f"{name}: {files}{speed}", f"{name}: {total}{speed}", f"{name}{speed}", speed.removeprefix(" · ")]
