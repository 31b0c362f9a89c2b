"""Rules that the calls of `add_days` and `days_between` are checked by, against the words of the question."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agent.checks.spoken import days_named
from agent.llama.grammar.numbers import number_atoms, spoken_numbers

_BACKWARD = re.compile(
    r"\b(?:ago|before(?! (?:yesterday|lunch|dinner|bed|I|we|you)\b)|earlier|prior"
    r"|(?<!it )(?<!them )(?<!give )(?<!paid )back(?! (?:in|on|home)\b)"
    r"|backwards?|subtract|minus|take (?:away|off))\b",
    re.IGNORECASE,
)
_FORWARD = re.compile(r"\b(?:after|later|from (?:now|today)|following|hence|forward)\b", re.IGNORECASE)
_COUNTED_DAYS = re.compile(r"\b(\d+|(?:[a-z]+[ -]){0,6}[a-z]+) days\b", re.IGNORECASE)
_DATES = ("date", "start", "end")
_IN_DIGITS = re.compile(r"\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b")
_DAYS_FROM = re.compile(
    r"\b(?:\d+|[a-z]*(?:ty|teen|ten|nine|eight|seven|six|five|four|three|two)) (?:days|weeks)"
    r" (?:before|after|from)\b",
    re.IGNORECASE,
)
_DAYS_TO = re.compile(r"\bdays (?:to|until|till|between)\b", re.IGNORECASE)


def opposite_direction(arguments: Mapping[str, Any], question: str) -> str | None:
    """Days before a date are negative, those after it are not."""
    days = arguments.get("days", 0)
    back, forward = _BACKWARD.search(question), _FORWARD.search(question)
    if back and not forward and days > 0:
        return f"the question says {back.group()} and the days are counted forward"
    if forward and not back and days < 0:
        return f"the question says {forward.group()} and the days are counted back"
    return None


def weeks_as_days(arguments: Mapping[str, Any], question: str) -> str | None:
    """A count of weeks alone is a multiple of seven days."""
    only = re.search(r"\bweeks?\b", question) and not re.search(r"\b(?:days?|months?|years?)\b", question)
    numbers = number_atoms([question]) | spoken_numbers(question)
    days = arguments.get("days", 0)
    if only and days % 7 and str(abs(days)) in numbers:
        return "the question counts weeks and the call days"
    return None


def other_count_of_days(arguments: Mapping[str, Any], question: str) -> str | None:
    """A question that counts days once, and nothing else, gives their number."""
    counted = _COUNTED_DAYS.findall(question)
    if (
        "days" not in arguments
        or len(counted) != 1
        or re.search(r"\b(?:weeks?|months?|years?|fortnights?|tomorrow|tmrw|yesterday|also|plus)\b", question)
    ):
        return None
    words = counted[0].lower()
    numbers = {int(words)} if words.isdigit() else {int(number) for number in spoken_numbers(words)}
    if numbers and abs(arguments["days"]) not in numbers:
        return f"the question says “{counted[0]} days” and the call {arguments['days']}"
    return None


def unnamed_date(arguments: Mapping[str, Any], question: str) -> str | None:
    """One of the dates of a call is the question's, where it names any and the call no relative one."""
    named = set(days_named(question))
    given = [set(days_named(str(arguments.get(name, "")))) for name in _DATES]
    found = [days for days in given if days]
    relative = any(
        str(arguments.get(name, "")) and not days for name, days in zip(_DATES, given, strict=True)
    )
    relative |= _IN_DIGITS.search(question) is not None
    if named and found and not relative and not any(days & named for days in found):
        return f"the question does not name the day {', '.join(map(_day_text, sorted(set.union(*found))))}"
    return None


def date_asked_for(arguments: Mapping[str, Any], question: str) -> str | None:
    """A question that counts days from a date asks for another date."""
    if (found := _DAYS_FROM.search(question)) and not _DAYS_TO.search(question):
        return f"the question says {found.group()} and asks for a date"
    return None


def _day_text(day: tuple[int, str]) -> str:
    return f"{day[0]} {day[1].title()}"
