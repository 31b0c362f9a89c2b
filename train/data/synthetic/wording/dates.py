"""Dates as people write them, with how a call gives those that the tools do not read."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date

from agent.tools.lib.dates import MONTHS
from train.data.synthetic.wording.spelling import ORDINALS, ordinal


@dataclass(frozen=True)
class WrittenDate:
    """A date as a person writes it, and as a call gives it."""

    text: str
    value: str
    why: str = ""
    """How `value` follows from `text`, where the tools do not read the text."""
    relative: bool = False
    """Whether the year is left out, so that the day depends on the current one."""


def _month(day: date) -> str:
    return MONTHS[day.month - 1].capitalize()


def _converted(text: str, day: date) -> WrittenDate:
    """Return a date whose text the tools do not read: a call gives it as YYYY-MM-DD."""
    return WrittenDate(text, day.isoformat(), f"{text} is {day.isoformat()}")


def format_date(day: date, rng: random.Random) -> str:
    """Return a day in one of the forms that people write and the tools read."""
    month = _month(day)
    if rng.random() < 0.38:
        return day.isoformat()
    if rng.random() < 0.35:
        month = month.lower()
    nth = ordinal(day.day)
    return rng.choice(
        (
            f"{month} {day.day} {day.year}",
            f"{day.day} {month} {day.year}",
            f"{month} {day.day}, {day.year}",
            f"{day.day} {month[:3]} {day.year}",
            f"{month[:3]} {day.day} {day.year}",
            f"{nth} of {month} {day.year}",
            f"the {nth} of {month} {day.year}",
            f"the {nth} of {month}, {day.year}",
            f"the {day.day} of {month} {day.year}",
            f"{month} {nth}, {day.year}",
            f"{month} the {nth}, {day.year}",
            f"{nth} {month} {day.year}",
        )
    )


ONE_WORD = 20
"""Day of the month up to which an ordinal is one word; the checks read no longer ones as a number."""


def _in_words(day: date, rng: random.Random) -> WrittenDate:
    """Return a date whose day, at most `ONE_WORD`, is an ordinal in words."""
    nth, month = ORDINALS[day.day - 1], _month(day)
    if rng.random() < 0.35:
        month = month.lower()
    forms = (
        f"the {nth} of {month} {day.year}",
        f"{nth} of {month} {day.year}",
        f"{month} the {nth}, {day.year}",
    )
    return _converted(rng.choice((*forms, f"{month} {nth} {day.year}")), day)


def write_date(day: date, rng: random.Random) -> WrittenDate:
    """Return a day as people write it, sometimes as 4.3.2026, or 14/03/2026 if 14 is no month."""
    if day.day <= ONE_WORD and rng.random() < 0.08:
        return _in_words(day, rng)
    if rng.random() < 0.75:
        text = format_date(day, rng)
        return WrittenDate(text, text)
    dotted = (f"{day.day}.{day.month}.{day.year}", f"{day.day}.{day.month}.{day.year}", f"{day:%d.%m.%Y}")
    return _converted(rng.choice(dotted if day.day < 13 else (*dotted, f"{day:%d/%m/%Y}")), day)


def write_uncommon_date(day: date, kind: float, rng: random.Random) -> WrittenDate:
    """Return a date in a form that `format_date` lacks; `kind`, from 0.5 to 1, selects the form.

    Below 0.53 the day is an ordinal in words; below 0.62 the day or the month comes first and the day is
    above 12; below 0.75 there are points, and the day is not above 12; below 0.85
    the month is a word; from there on the year is left out.
    """
    if kind < 0.53:
        return _in_words(day.replace(day=rng.randint(1, ONE_WORD)), rng)
    if kind < 0.62:
        day = day.replace(day=rng.randint(13, 28))
        form = rng.choice(("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y"))
        return _converted(f"{day:{form}}", day)
    if kind < 0.75:
        day = day.replace(day=rng.randint(1, 12), month=rng.randint(1, 12))
        return _converted(rng.choice((f"{day.day}.{day.month}.{day.year}", f"{day:%d.%m.%Y}")), day)
    month, nth = _month(day), ordinal(day.day)
    if kind < 0.85:
        text = rng.choice(
            (
                f"{nth} of {month} {day.year}",
                f"the {nth} of {month} {day.year}",
                f"{month} {nth}, {day.year}",
                f"{month[:3].lower()} {nth} {day.year}",
            )
        )
        return WrittenDate(text, text)
    text = rng.choice(
        (
            f"{day.day} {month}",
            f"{month} {day.day}",
            f"the {nth} of {month}",
            f"{nth} of {month.lower()}",
            f"{month[:3]} {day.day}",
        )
    )
    if (day.month, day.day) == (2, 29):
        text = "1 March"
    return WrittenDate(text, text, relative=True)
