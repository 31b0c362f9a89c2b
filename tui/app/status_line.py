"""The last line of the screen: what the agent does, on which models, how fast."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive
from textual.widgets import Static

from tui.setup import AgentInfo
from tui.text import one_line, size_text

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class StatusLine(Static):
    """`state` while `busy` has a spinner before it; `rate` is tokens written a second in the last turn."""

    state = reactive("loading models…")
    busy = reactive(True)
    rate = reactive(0.0)
    info: reactive[AgentInfo | None] = reactive(None)
    _frame = reactive(0)

    def __init__(self) -> None:
        super().__init__(markup=False, id="status")

    def on_mount(self) -> None:
        """Turn the spinner ten times a second."""
        self.set_interval(0.1, self._turn)

    def _turn(self) -> None:
        if self.busy:
            self._frame = (self._frame + 1) % len(_FRAMES)

    def render(self) -> Text:
        """The state on the left, the models and the speed on the right, the longest form that fits."""
        width = self.content_size.width
        left = Text(f"{_FRAMES[self._frame]} {self.state}" if self.busy else f"● {self.state}")
        left.stylize("yellow" if self.busy else "green", 0, 1)
        for right in models_texts(self.info, self.rate):
            space = width - left.cell_len - len(right)
            if space >= 2:
                return left + Text(" " * space) + Text(right, "dim")
        left.truncate(width, overflow="ellipsis")
        return left


def models_texts(info: AgentInfo | None, rate: float) -> list[str]:
    """What to say of the models, longest first."""
    if info is None:
        return []
    speed = f" · {rate:.0f} tok/s" if rate else ""
    name = one_line(info.bundle, 40)
    files = "  ".join(f"{one_line(file, 40)} {size_text(size)}" for file, size in info.files)
    total = f"{len(info.files)} models {size_text(sum(size for _, size in info.files))}"
    return [f"{name}: {files}{speed}", f"{name}: {total}{speed}", f"{name}{speed}", speed.removeprefix(" · ")]
