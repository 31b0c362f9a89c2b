"""The screen that tells what each role read and wrote, what was guessed for it, and where its time went."""

from __future__ import annotations

from collections.abc import Mapping

from textual.binding import Binding
from textual.content import Content

from agent.events import Usage
from agent.transcript import Role
from tui.app.screens.text_screen import TextScreen
from tui.cli.timings import HEADS, cells


class TimesScreen(TextScreen):
    """Shows the costs of the last turn and of all since umi started; Esc, F4 or q closes it.

    They are those of `umi ask --timings`, with a column for each role, so that 60 characters hold them.
    """

    HEADING = "Time per role"
    BINDINGS = [Binding("f4", "dismiss", "close")]  # noqa: RUF012 - textual declares it without ClassVar

    def __init__(self, last: Mapping[Role, Usage], total: Mapping[Role, Usage]) -> None:
        super().__init__()
        self._last = last
        self._total = total

    def text(self) -> Content:
        """Return both tables."""
        parts: list[str | tuple[str, str]] = []
        for title, costs in (("Last question", self._last), ("Since umi started", self._total)):
            columns = {**costs, "together": sum(costs.values(), Usage())} if costs else {}
            parts.append((f"{title:18}", "bold"))
            parts.append(("".join(f"{name:>11}" for name in columns) + "\n", "$text-muted"))
            figures = [cells(usage, usage.seconds) for usage in columns.values()]
            for index, head in enumerate(HEADS if figures else ()):
                parts.append((f"{head:18}", "$text-muted"))
                parts.append("".join(f"{column[index]:>11}" for column in figures) + "\n")
            parts.append("\n" if figures else "nothing was asked so far\n\n")
        parts.append((_LEGEND, "$text-muted"))
        return Content.assemble(*parts)


_LEGEND = (
    "Tokens read anew, reused from the cache and written; those guessed and accepted, in all and of each"
    " decode; seconds in the models, and the shares of llama.cpp, of grammars and of Python."
)
