"""The time that a generation takes: in llama.cpp, in grammars, and in Python."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from time import perf_counter
from typing import TypeVar

from agent.engine import Generated

Event = TypeVar("Event")


class Stopwatch:
    """Adds up the seconds spent inside its `with` blocks; a block inside another counts once.

    For one thread at a time.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        """In all blocks that have ended."""
        self._depth = 0
        self._started = 0.0

    def __enter__(self) -> None:
        if not self._depth:
            self._started = perf_counter()
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            self.seconds += perf_counter() - self._started

    def take(self) -> float:
        """Return the seconds and begin again at 0."""
        seconds, self.seconds = self.seconds, 0.0
        return seconds


def timed(
    events: Generator[Event], llama: Stopwatch, grammar: Stopwatch, seconds: float = 0.0
) -> Iterator[Event]:
    """Yield `events`, with what they took in the usage of the last one.

    `seconds` went before them; what the consumer of the events takes does not count.
    """
    llama_before, grammar_before = llama.seconds, grammar.seconds
    try:
        while True:
            started = perf_counter()
            event = next(events, None)
            seconds += perf_counter() - started
            if event is None:
                return
            if isinstance(event, Generated):
                usage = replace(
                    event.usage,
                    seconds=seconds,
                    model_seconds=llama.seconds - llama_before,
                    grammar_seconds=grammar.seconds - grammar_before,
                )
                yield replace(event, usage=usage)
            else:
                yield event
    finally:
        events.close()
