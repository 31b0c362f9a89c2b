"""The clock, and parsing of dates in the forms that people write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime, timedelta

from agent.errors import ToolError

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_RELATIVE = {"today": 0, "now": 0, "tomorrow": 1, "yesterday": -1}
_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[t ]\d{1,2}:\d{2}.*)?")
_DAY_FIRST = re.compile(r"(\d{1,2})\. ?(\d{1,2})(?:\.| ?\. ?(\d{4}))?")
_DAY = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?")


_fixed: ContextVar[datetime | None] = ContextVar("fixed clock", default=None)


def now() -> datetime:
    """Return the current time in the local zone. All tools use this clock, which tests replace."""
    return _fixed.get() or datetime.now().astimezone()


@contextmanager
def fixed_clock(moment: datetime) -> Iterator[None]:
    """Make `now` return `moment`, which has a time zone, within the context."""
    token = _fixed.set(moment)
    try:
        yield
    finally:
        _fixed.reset(token)


def weekday(day: date) -> str:
    """Return the English name of the day of the week, whatever the locale."""
    return WEEKDAYS[day.weekday()]


def parse_date(text: str) -> date:
    """Return the date in `text`: 2025-03-14, March 14 2025, 14th of March, 2025, 14.3.2025, Friday, today.

    A date without a year is in the current year, a weekday the next such day after today; with dots between
    numbers the day comes first. Raise ToolError for any other text.
    """
    words = text.strip().lower()
    if words in _RELATIVE:
        return now().date() + timedelta(days=_RELATIVE[words])
    if words.title() in WEEKDAYS:
        today = now().date()
        return today + timedelta(days=(WEEKDAYS.index(words.title()) - today.weekday() - 1) % 7 + 1)
    if iso := _ISO.fullmatch(words):
        year, month, day = (int(part) for part in iso.groups())
    elif dotted := _DAY_FIRST.fullmatch(words):
        day, month, year = (int(part) if part else now().year for part in dotted.groups())
    else:
        year, month, day = _parse_named_month(text, words)
    try:
        return date(year, month, day)
    except ValueError:
        raise ToolError(f"there is no such day as '{text[:80]}'") from None


def _parse_named_month(text: str, words: str) -> tuple[int, int, int]:
    """Return year, month and day of a date whose month is a word."""
    year = month = day = None
    for word in re.split(r"[\s,.\-/]+", words[:80]):
        if not word or word in ("of", "the") or _match_name(word, WEEKDAYS):
            continue
        if (named := _match_name(word, MONTHS)) and month is None:
            month = named
        elif re.fullmatch(r"\d{4}", word) and year is None:
            year = int(word)
        elif (number := _DAY.fullmatch(word)) and day is None:
            day = int(number[1])
        else:
            month = None
            break
    if month is None or day is None:
        raise ToolError(f"cannot read '{text[:80]}' as a date; write it like 2025-03-14")
    return (now().year if year is None else year), month, day


def _match_name(word: str, names: tuple[str, ...]) -> int | None:
    """Return the number, from 1, of the name equal to `word` or abbreviated by it (three letters or more)."""
    for number, name in enumerate(names, 1):
        if word == name.lower() or (len(word) >= 3 and name.lower().startswith(word)):
            return number
    return None
