"""Numbers in words, and days of the calendar, that an answer names and nobody said.

Digits are held to what was said while an answer is written (`agent.llama.grammar.grounding`). Here it is seen
whether words that stand for a number follow from it, and whether a month and a weekday stand beside the day
that they were said of.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.checks.spoken import days_named, number_words
from agent.llama.grammar.numbers import derivable_numbers, spoken_numbers
from agent.tools.lib.dates import MONTHS, WEEKDAYS

_NAMED = re.compile(rf"\b({'|'.join(name.title() for name in MONTHS if name not in ('may', 'march'))})\b")
"""Two months are words that begin a sentence as well."""
_WEEKDAY = re.compile(rf"\b({'|'.join(WEEKDAYS)})\b")
_ANY_WEEKDAY = re.compile(
    r"\b(mon|tue|wed|thu|fri|sat|sun)(?:s|rs|r|day|sday|nesday|rsday|urday)?s?\b", re.IGNORECASE
)


def unknown_number(answer: str, said: Sequence[str]) -> str:
    """Return which number in words does not follow from `said`, as a clause; empty if all do."""
    found = list(number_words(answer))
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
