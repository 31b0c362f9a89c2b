"""Figures of a running server, in the text format of Prometheus (version 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from agent.events import Usage
from agent.transcript import Role

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counts what the server did since it started. It is used on one event loop."""

    def __init__(self) -> None:
        self.requests: Counter[int] = Counter()
        """Requests for a completion by HTTP status; 499 where the client left before the answer."""
        self.endings: Counter[str] = Counter()
        """Turns by the reason that they ended for."""
        self.usage = Usage()
        """Of all roles in all turns."""
        self.answer_seconds = 0.0
        self.waited_seconds = 0.0

    def add_usage(self, stats: Mapping[Role, Usage]) -> None:
        """Add what the roles of a turn cost."""
        for usage in stats.values():
            self.usage += usage

    def render(self, waiting: int, *, busy: bool) -> str:
        """Return all figures; `waiting` and `busy` are the queue's."""
        return "\n".join([*self._lines(waiting, busy), ""])

    def _lines(self, waiting: int, busy: bool) -> Iterator[str]:
        yield from _counter("umi_requests_total", "Requests for a completion.", "status", self.requests)
        yield from _counter("umi_turns_total", "Turns by how they ended.", "reason", self.endings)
        tokens = {
            "evaluated": self.usage.prompt_evaluated,
            "reused": self.usage.prompt_reused,
            "generated": self.usage.generated,
        }
        yield from _counter("umi_tokens_total", "Tokens of all roles.", "kind", tokens)
        for name, value, text in (
            ("umi_answer_seconds_total", self.answer_seconds, "Seconds in which the models were taken."),
            ("umi_waited_seconds_total", self.waited_seconds, "Seconds that requests waited."),
        ):
            yield from (f"# HELP {name} {text}", f"# TYPE {name} counter", f"{name} {value:.3f}")
        for name, value, text in (
            ("umi_waiting", waiting, "Requests that wait now."),
            ("umi_busy", int(busy), "Requests that are being answered now."),
        ):
            yield from (f"# HELP {name} {text}", f"# TYPE {name} gauge", f"{name} {value}")


def _counter(
    name: str, text: str, label: str, values: Mapping[str, int] | Mapping[int, int]
) -> Iterator[str]:
    yield from (f"# HELP {name} {text}", f"# TYPE {name} counter")
    for key in sorted(values, key=str):
        yield f'{name}{{{label}="{key}"}} {values[key]}'  # pyright: ignore[reportArgumentType]
