"""The clock, and dates as people write them."""

from __future__ import annotations

import re
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
_DAY = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?")


def now() -> datetime:
    """The time in the local zone. Every tool asks here."""
    return datetime.now().astimezone()


def weekday(day: date) -> str:
    """The English name of the day of the week, whatever the locale."""
    return WEEKDAYS[day.weekday()]


def parse_date(text: str) -> date:
    """The date in `text`: 2025-03-14, March 14 2025, 14th of March, 2025, today, tomorrow or yesterday.

    Without a year it is this year's. Raises ToolError where it is none of these.
    """
    words = text.strip().lower()
    if words in _RELATIVE:
        return now().date() + timedelta(days=_RELATIVE[words])
    if iso := _ISO.fullmatch(words):
        year, month, day = (int(part) for part in iso.groups())
    else:
        year, month, day = _written(text, words)
    try:
        return date(year, month, day)
    except ValueError:
        raise ToolError(f"there is no such day as '{text[:80]}'") from None


def _written(text: str, words: str) -> tuple[int, int, int]:
    """Year, month and day of a date with the month in words."""
    year = month = day = None
    for word in re.split(r"[\s,.\-/]+", words[:80]):
        if not word or word in ("of", "the") or _names(word, WEEKDAYS):
            continue
        if (named := _names(word, MONTHS)) and month is None:
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


def _names(word: str, names: tuple[str, ...]) -> int | None:
    """The place from 1 of the name that `word` is, or of the first one it begins (three letters or more)."""
    for place, name in enumerate(names, 1):
        if word == name.lower() or (len(word) >= 3 and name.lower().startswith(word)):
            return place
    return None
