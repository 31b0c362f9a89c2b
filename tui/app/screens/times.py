"""The screen that tells what each role read and wrote, and how long it took."""

from __future__ import annotations

from collections.abc import Mapping

from textual.binding import Binding
from textual.content import Content

from agent.events import Usage
from agent.transcript import Role
from tui.app.screens.text_screen import TextScreen


class TimesScreen(TextScreen):
    """Shows the costs of the last turn and of all since umi started; Esc, F4 or q closes it."""

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
            parts.append((f"{title}\n", "bold"))
            heads = f"{'':12}{'read':>7}{'reused':>8}{'tok/s':>7}{'wrote':>7}{'tok/s':>7}{'time':>8}\n"
            parts.append((heads, "$text-muted"))
            rows = [*costs.items(), ("together", sum(costs.values(), Usage()))] if costs else []
            for role, usage in rows:
                parts.append(f"{role:12}{_row(usage)}\n")
            if not rows:
                parts.append("nothing was asked so far\n")
            parts.append("\n")
        parts.append(("Tokens read anew, reused from the cache, and written.", "$text-muted"))
        return Content.assemble(*parts)


def _row(usage: Usage) -> str:
    seconds = usage.read_seconds + usage.write_seconds
    return (
        f"{usage.prompt_evaluated:7,}{usage.prompt_reused:8,}"
        f"{_rate(usage.prompt_evaluated, usage.read_seconds):>7}"
        f"{usage.generated:7,}{_rate(usage.generated, usage.write_seconds):>7}{seconds:6.1f} s"
    )


def _rate(tokens: int, seconds: float) -> str:
    return f"{tokens / seconds:,.0f}" if seconds else "-"
