"""The events of a turn as compact lines of text; `umi ask` prints them to stderr."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TextIO

from agent.events import (
    AnswerDelta,
    CallProposed,
    Event,
    Finished,
    Mentioned,
    Observation,
    Reading,
    Thought,
    Trimmed,
    Usage,
)
from agent.transcript import Role
from tui.text import call_line, mentioned_text, one_line, plain, trimmed_text, truncate_lines

OBSERVATION_LINES = 6
"""Lines of an observation that are shown; the models read all of it."""

_CLEAR = "\r\x1b[2K"


class StepPrinter:
    """Writes events to `out`; on a terminal dimmed, and with a live line while a role reads its prompt."""

    def __init__(self, out: TextIO) -> None:
        terminal = out.isatty() and os.environ.get("TERM") != "dumb"
        self._out = out
        self._live = terminal
        self._colour = terminal and not os.environ.get("NO_COLOR")
        self._pending = False

    def show(self, event: Event) -> None:
        """Write one event."""
        match event:
            case Reading(role, done, total):
                self._progress(f"{role} is reading {percent(done, total)} %")
            case Thought(_, text, next_):
                self._line(f"· {one_line(text)}" if text else "·", f" → {next_}")
            case CallProposed(_, _, name, arguments):
                self._line(f"  {call_line(name, arguments)}")
            case Observation(_, _, _, ok, content):
                shown, more = truncate_lines(plain(content), OBSERVATION_LINES)
                for i, line in enumerate(shown.split("\n")):
                    self._line(f"  {('=' if ok else '!') if i == 0 else ' '} {line}")
                if more:
                    self._line(f"    … {more} more lines")
            case Mentioned():
                self._line(f"  ({mentioned_text(event)})")
            case Trimmed():
                self._line(f"  ({trimmed_text(event)})")
            case AnswerDelta():
                self.clear()
            case Finished():
                self.clear()
                if summary := stats_line(event.stats):
                    self._line(f"  {summary}")

    def clear(self) -> None:
        """Erase the live line."""
        if self._pending:
            self._out.write(_CLEAR)
            self._out.flush()
            self._pending = False

    def _progress(self, text: str) -> None:
        if self._live:
            self._out.write(f"{_CLEAR}{self._dim(text)}")
            self._out.flush()
            self._pending = True

    def _line(self, *parts: str) -> None:
        self.clear()
        self._out.write(f"{self._dim(''.join(parts))}\n")
        self._out.flush()

    def _dim(self, text: str) -> str:
        return f"\x1b[2m{text}\x1b[0m" if self._colour else text


def percent(done: int, total: int) -> int:
    """Return `done` of `total` in per cent; 100 where `total` is 0."""
    return 100 * done // total if total else 100


def tokens_per_second(stats: Mapping[Role, Usage]) -> float:
    """Return the tokens that all roles generated in a second, 0.0 where nothing was timed."""
    seconds = sum(usage.write_seconds for usage in stats.values())
    return sum(usage.generated for usage in stats.values()) / seconds if seconds else 0.0


def stats_line(stats: Mapping[Role, Usage]) -> str:
    """Return the seconds and tokens of a turn as a line; empty where nothing was timed."""
    rate = tokens_per_second(stats)
    if not rate:
        return ""
    total = sum(stats.values(), Usage())
    return (
        f"{total.read_seconds + total.write_seconds:.1f} s: read {total.prompt_evaluated} tokens"
        f" ({total.prompt_reused} reused), wrote {total.generated} at {rate:.0f} tokens/s"
    )
