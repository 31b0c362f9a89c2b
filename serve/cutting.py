"""The end of an answer that the client sets: at a text, or at a number of tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from agent.events import AnswerDelta, Event, Finished


@dataclass(frozen=True)
class CutAtLength:
    """The answer was cut at the number of tokens that the client set; it comes before `Finished`."""


def cut(
    events: Iterable[Event], stops: Sequence[str], most: int | None, count: Callable[[str], int]
) -> Iterator[Event | CutAtLength]:
    """Yield `events` with the answer ended before the first of `stops` in it, and after `most` tokens.

    `count` returns the tokens of a text. What may be the beginning of a stop is held back.
    """
    held_back = max(map(len, stops), default=1) - 1
    answer, shown, is_cut = "", 0, False
    for event in events:
        match event:
            case AnswerDelta() if is_cut:
                pass
            case AnswerDelta(text):
                answer += text
                ends = [at for stop in stops if (at := answer.find(stop)) >= 0]
                end = min(ends, default=len(answer))
                if most is not None and count(answer[:end]) > most:
                    end = max(shown, _longest(answer[:end], most, count))
                    yield CutAtLength()
                    ends.append(end)
                is_cut = bool(ends)
                answer = answer[:end]
                shown_to = end if is_cut else max(shown, end - held_back)
                if shown_to > shown:
                    yield AnswerDelta(answer[shown:shown_to])
                    shown = shown_to
            case Finished(reason, text, stats):
                if shown < len(answer):
                    yield AnswerDelta(answer[shown:])
                yield Finished(reason, answer.strip() if is_cut else text, stats)
            case _:
                yield event


def _longest(text: str, most: int, count: Callable[[str], int]) -> int:
    """Return the length of the longest beginning of `text` that has at most `most` tokens."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count(text[:middle]) <= most else (low, middle - 1)
    return low
