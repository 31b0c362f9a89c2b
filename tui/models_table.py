"""The models to choose from as rows of text, for the command and for the app's screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tui.text import one_line, size_text

if TYPE_CHECKING:
    from agent.bundle.listing import ModelEntry
    from agent.llama.speed.estimate import Rates

HEADINGS = ("name", "size", "licence", "memory", "tokens/s", "about")


def model_row(entry: ModelEntry, rates: Mapping[int, Rates]) -> tuple[str, ...]:
    """Return the cells of a model; `rates` are what was measured of this machine, empty where nothing was.

    Speeds are those expected of reading a prompt and of writing.
    """
    if not entry.usable:
        size = size_text(entry.size) if entry.size else ""
        return one_line(entry.name), size, one_line(entry.license), "", "", one_line(entry.about)
    about = "~" if entry.approximate else ""
    memory = f"{'>' if entry.approximate else ''}{size_text(entry.memory)}"
    speed = entry.speed(rates)
    shown = f"{_rounded(speed.read)} / {_rounded(speed.write)}" if speed else ""
    state = {"bundle": "", "base": "base: ", "catalogue": "to pull: "}[entry.state]
    return (
        one_line(entry.name),
        f"{about}{size_text(entry.size)}",
        one_line(entry.license),
        memory,
        shown,
        f"{state}{one_line(entry.about)}",
    )


def _rounded(rate: float) -> str:
    """Return a rate with two digits that count: the estimate is no better."""
    if rate < 100:
        return f"{rate:.0f}"
    power = 10 ** (len(str(int(rate))) - 2)
    return str(round(rate / power) * power)
