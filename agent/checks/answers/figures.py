"""Numbers in digits, times and dates that an answer names and nobody said, where no grammar held it to them.

A number counts as said where it stands in a source in another spelling (1,234.50 for 1234.5), as a rounding
or a percentage of one, as the hour of a day in twelve hours, as the number of lines of a result, or as what
an equation of said numbers gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import permutations

from agent.checks.answers.results import equations
from agent.llama.grammar.numbers import counts, number_atoms, spellings, spoken_numbers, word_constants

_ENUMERATOR = re.compile(
    r"^[ \t>#*_(]*\d{1,3}[.):](?=[ \t*])|\b(?:step|option|example|item|point) \d{1,2}\b",
    re.MULTILINE | re.IGNORECASE,
)
"""The number of an item of a list."""
_DATE = re.compile(
    r"(?<![\w./*+-])(?:(\d{4})([./-])(\d{1,2})\2(\d{1,2})|(\d{1,2})([./-])(\d{1,2})\6(\d{4}))(?![\d*+/-]|[.]\d)"
)
_TIME = re.compile(r"(?<![\d:.,])(\d{1,2}):(\d{2})(?::(\d{2}))?(?![\d:])(?:\s?([ap])\.?m\b)?", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.,])(?![123](?:st|nd|rd)\b)\d+(?:[.,]\d+)*(?P<percent>\s?%)?")
"""Up to the third, an ordinal counts what the answer itself tells."""
_NEGATIVE = re.compile(r"(?:^|(?<=[\s(*]))[-\u2212](\d+(?:[.,]\d+)*)", re.MULTILINE)
_BELOW_ZERO = re.compile(r"[-\u2212]\s?\d|\b(?:minus|negative|below|subtract|before|ago)\b", re.IGNORECASE)
_HOUR = re.compile(r"(?<![\d:.])(\d{1,2})\s?([ap])\.?m\b", re.IGNORECASE)
_ABOUT = re.compile(
    r"(?:\b(?:about|around|approximately|approx\.?|roughly|nearly|almost|over)|[~\u2248])\s*$", re.IGNORECASE
)
_ROUGHLY = Decimal("0.05")
"""Of the value: what a number after "about" may differ by."""
_DECIMAL = re.compile(r"\d+(?:\.\d+)?")


def unknown_figure(answer: str, question: str, texts: Sequence[str]) -> str:
    """Return which number, time or date of `answer` is none of `texts`, as a clause; empty if all are.

    `texts` are what people and tools said, the question among them.
    """
    said = "\n".join(texts)
    answer, said_dates, said_times = _ENUMERATOR.sub("", answer), set(_dates(said)), set(_times(said))
    for found in _DATE.finditer(answer):
        if found.group() not in said and not said_dates.intersection(_readings(found)):
            return f"{found.group()} is no date that was said"
    answer = _DATE.sub(" ", answer)
    for found in _TIME.finditer(answer):
        if found.group() not in said and [*_moments(found)][-1] not in said_times:
            return f"{found.group().strip()} is no time that was said"
    answer = _TIME.sub(" ", answer)
    if not _NUMBER.search(answer):
        return ""
    known = _known_numbers(texts) | word_constants(question)
    known |= {
        spelling
        for found, holds in equations(answer)
        if holds and all(known.intersection(spellings(one)) for one in _DECIMAL.findall(found["left"]))
        for spelling in spellings(found["right"].lstrip("-\u2212"))
    }
    values = {Decimal(number) for number in known if _DECIMAL.fullmatch(number)}
    for found in _NUMBER.finditer(answer):
        number = found.group().removesuffix(found["percent"] or "")
        is_rough = _ABOUT.search(answer, 0, found.start()) is not None
        if known.intersection(spellings(number)):
            continue
        if not _is_rounded(number, values, is_percent=bool(found["percent"]), is_rough=is_rough):
            return f"{number} stands nowhere in what was said"
    if (negative := _NEGATIVE.search(answer)) and not _BELOW_ZERO.search(said):
        return f"{negative.group()} stands nowhere in what was said"
    return ""


def _known_numbers(texts: Sequence[str]) -> set[str]:
    known = number_atoms(texts) | counts(texts) | {str(len(text.splitlines())) for text in texts}
    return known.union(*map(spoken_numbers, texts))


def _is_rounded(number: str, values: set[Decimal], *, is_percent: bool, is_rough: bool) -> bool:
    """Return whether `number` is one of `values` with fewer decimals or roughly, or the percentage of one."""
    for value in {Decimal(spelling) for spelling in spellings(number) if _DECIMAL.fullmatch(spelling)}:
        half = Decimal(5).scaleb(-_decimals(value) - 1)
        if any(_decimals(known) > _decimals(value) and abs(value - known) <= half for known in values):
            return True
        if is_percent and any(abs(value - known * 100) <= half for known in values):
            return True
        if is_rough and any(abs(value - known) <= _ROUGHLY * known for known in values):
            return True
    return False


def _decimals(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def _dates(text: str) -> Iterator[tuple[int, ...]]:
    return (reading for found in _DATE.finditer(text) for reading in _readings(found))


def _readings(found: re.Match[str]) -> Iterator[tuple[int, ...]]:
    """Yield year, month and day of a date in digits, in both orders of the last two."""
    year, *rest = (found[1], found[3], found[4]) if found[1] else (found[8], found[5], found[7])
    for month, day in permutations(map(int, rest)):
        if 1 <= month <= 12 and 1 <= day <= 31:
            yield int(year), month, day


def _times(text: str) -> Iterator[tuple[int, ...]]:
    for found in _TIME.finditer(text):
        yield from _moments(found)
    for found in _HOUR.finditer(text):
        yield _in_24_hours(int(found[1]), found[2]), 0


def _moments(found: re.Match[str]) -> Iterator[tuple[int, ...]]:
    """Yield hour and minute, and with the second, of a time in 24 hours."""
    hour, minute = _in_24_hours(int(found[1]), found[4] or ""), int(found[2])
    yield hour, minute
    if found[3]:
        yield hour, minute, int(found[3])


def _in_24_hours(hour: int, half: str) -> int:
    """Return an hour of the half of a day that begins with `half`, a or p; as it is if that is empty."""
    return hour % 12 + (12 if half.lower() == "p" else 0) if half else hour
