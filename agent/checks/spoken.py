"""Numbers in words, and days of the calendar, in what people and models write."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.llama.grammar.numbers import (
    CARDINALS,
    MONTHS_IN_ORDER,
    ORDINALS,
    SCALES,
    spoken_numbers,
)
from agent.tools.lib.dates import MONTHS

_COUNT = "|".join(sorted({*CARDINALS, *SCALES} - {"one", "zero"}, key=len, reverse=True))
_ORDER = "|".join(sorted(set(ORDINALS) - {"first", "second"}, key=len, reverse=True))
_CARDINAL = rf"(?:{_COUNT})(?:(?:[\s-]|\sand\s)(?:{_COUNT}|one))*"
_SPOKEN = re.compile(rf"\b(?:{_CARDINAL}|{_ORDER})\b", re.IGNORECASE)
_OPERAND = re.compile(
    rf"(?<!\d )(?<!\d)\b(?:{_CARDINAL})\b"
    r"(?![\s-](?:and\s(?:a\s)?(?:half|quarter)|point|dozen|decimals?|places|digits)\b|['\u2019])",
    re.IGNORECASE,
)
_DAY = r"(?<![\d.,:])(\d{1,2})(?:st|nd|rd|th)?"
_MONTH = rf"({'|'.join(name[:3] + f'(?:{name[3:]})?' for name in MONTHS)})"
_DAY_OF_MONTH = re.compile(rf"\b{_DAY}(?: of)? {_MONTH}\b", re.IGNORECASE)
_MONTH_AND_DAY = re.compile(rf"\b{_MONTH}\.? {_DAY}(?![\d:.,%]\d|\d)", re.IGNORECASE)
_DAYS = re.compile(
    rf"\b(?:{_DAY}(?: of)? {_MONTH}|{_MONTH}\.? (?:the )?{_DAY})\b(?:,? (?:of )?\d{{4}}\b)?", re.IGNORECASE
)
_ISO = re.compile(r"(?<!\d)\d{4}-(\d{2})-(\d{2})(?!\d)")


def spoken_operands(text: str) -> Iterator[set[str]]:
    """Yield for each number in words of `text` the numbers that it may be, as digits.

    A count of decimals is none, nor one that goes on as a fraction or in dozens.
    """
    for found in _OPERAND.finditer(text):
        yield spoken_numbers(found.group())


def number_words(text: str) -> Iterator[str]:
    """Yield the numbers in words of `text` as they stand there; of ordinals, those from the third on."""
    for found in _SPOKEN.finditer(text):
        yield found.group()


def spoken_in_order(text: str) -> Iterator[set[str]]:
    """Yield for each number in words of `text`, from the third on ordinals too, those that it may be."""
    return map(spoken_numbers, number_words(text))


def without_days(text: str) -> str:
    """Return `text` without the days that have a month, and their years."""
    return _DAYS.sub(" ", text)


def days_named(text: str) -> Iterator[tuple[int, str]]:
    """Yield the days of `text` that have a month: the day, and three letters of the month."""
    for day, month in _DAY_OF_MONTH.findall(text):
        yield int(day), month[:3].lower()
    for month, day in _MONTH_AND_DAY.findall(text):
        yield int(day), month[:3].lower()
    for month, day in _ISO.findall(text):
        if 1 <= int(month) <= 12:
            yield int(day), MONTHS_IN_ORDER[int(month) - 1]
