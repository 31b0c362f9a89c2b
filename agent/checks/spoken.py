"""Numbers in words, and days of the calendar, that an answer names and nobody said.

Digits are held to what was said while an answer is written (`agent.llama.grammar.grounding`). Here it is seen
whether words that stand for a number follow from it, and whether a month and a weekday stand beside the day
that they were said of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agent.llama.grammar.numbers import (
    CARDINALS,
    MONTHS_IN_ORDER,
    ORDINALS,
    SCALES,
    derivable_numbers,
    spoken_numbers,
)
from agent.tools.lib.dates import MONTHS, WEEKDAYS

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
_NAMED = re.compile(rf"\b({'|'.join(name.title() for name in MONTHS if name not in ('may', 'march'))})\b")
"""Two months are words that begin a sentence as well."""
_WEEKDAY = re.compile(rf"\b({'|'.join(WEEKDAYS)})\b")
_ANY_WEEKDAY = re.compile(
    r"\b(mon|tue|wed|thu|fri|sat|sun)(?:s|rs|r|day|sday|nesday|rsday|urday)?s?\b", re.IGNORECASE
)


def spoken_operands(text: str) -> Iterator[set[str]]:
    """Yield for each number in words of `text` the numbers that it may be, as digits.

    A count of decimals is none, nor one that goes on as a fraction or in dozens.
    """
    for found in _OPERAND.finditer(text):
        yield spoken_numbers(found.group())


def spoken_in_order(text: str) -> Iterator[set[str]]:
    """Yield for each number in words of `text`, from the third on ordinals too, those that it may be."""
    for found in _SPOKEN.finditer(text):
        yield spoken_numbers(found.group())


def without_days(text: str) -> str:
    """Return `text` without the days that have a month, and their years."""
    return _DAYS.sub(" ", text)


def unknown_number(answer: str, said: Sequence[str]) -> str:
    """Return which number in words does not follow from `said`, as a clause; empty if all do."""
    found = [match.group() for match in _SPOKEN.finditer(answer)]
    if not found:
        return ""
    known = derivable_numbers(said)
    text = "\n".join(said).lower()
    for words in found:
        values = [*map(int, spoken_numbers(words))]
        if words.lower() not in text and str(max(values, default=0)) not in known:
            return f"{words} follows from nothing that was said"
    return ""


def unknown_date(answer: str, said: Sequence[str]) -> str:
    """Return which day, month or weekday nobody said, as a clause; empty if all were said."""
    days, weekdays, named = set(days_named(answer)), _WEEKDAY.findall(answer), _NAMED.findall(answer)
    if not days and not weekdays and not named:
        return ""
    text = "\n".join(said)
    known = set(days_named(text))
    months = {month for _, month in known} | {name[:3].lower() for name in _NAMED.findall(text.title())}
    days_said = {match.lower() for match in _ANY_WEEKDAY.findall(text)}
    for day, month in sorted(days - known):
        return f"{day} {month.title()} is no day that was said"
    for name in (*named, *weekdays):
        if name[:3].lower() not in (months if name in named else days_said):
            return f"{name} stands nowhere in what was said"
    return ""


def days_named(text: str) -> Iterator[tuple[int, str]]:
    """Yield the days of `text` that have a month: the day, and three letters of the month."""
    for day, month in _DAY_OF_MONTH.findall(text):
        yield int(day), month[:3].lower()
    for month, day in _MONTH_AND_DAY.findall(text):
        yield int(day), month[:3].lower()
    for month, day in _ISO.findall(text):
        if 1 <= int(month) <= 12:
            yield int(day), MONTHS_IN_ORDER[int(month) - 1]
