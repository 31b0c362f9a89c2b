"""Whether a text states a fact, in whatever form people write numbers, dates and times.

A fact that is a number (`1234.5`) is stated by an equal number with or without separators, by one rounded
to three digits or more if the fact is not an integer, and below a hundred by words. A date (`2026-05-18`) is
stated in any order of day and month name, with the right year or none; a time (`14:05`) on both clocks. Any
other fact is a text, found in any case, not as a part of a longer word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache

from agent.evaluation.exam.schema import Fact
from agent.tools.lib.dates import MONTHS

_SAME = str.maketrans(
    dict.fromkeys("\u2018\u2019", "'")
    | dict.fromkeys("\u201c\u201d", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-")
    | dict.fromkeys("\u00a0\u2009\u202f", " ")
    | dict.fromkeys("*`", "")
)
"""Quotes, dashes, spaces and marks of emphasis that make no difference."""
_BELOW_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen"
)
_UNITS = _BELOW_TWENTY.split()
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_WORD_VALUES = {word: value for value, word in enumerate(_UNITS)} | {
    word: 10 * value for value, word in enumerate(_TENS, 2)
}
_NUMBER_FACT = re.compile(r"-?\d+(?:\.\d+)?")
_DATE_FACT = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_TIME_FACT = re.compile(r"(\d{1,2}):(\d\d)")
# Not within a word, a date, a time, a version or a longer number; a unit may follow at once.
_NUMBER = re.compile(
    r"(?<!\w)(?<!\d[.:/])(?<!\w-)(?<!\d,(?=\d{3}(?!\d)))"
    r"(?P<sign>(?:(?<![\w)])-|minus |negative )(?:[$€£¥] ?)?)?"
    r"(?P<digits>\d{1,3}(?:(?P<separator>[, '])\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?!\d)(?![.:/\-]\d)(?!,\d{3}(?!\d))"
)
_NUMBER_WORD = re.compile(
    rf"\b(?P<sign>minus |negative )?(?:(?P<tens>{'|'.join(_TENS)})(?:[- ](?P<ones>{'|'.join(_UNITS[1:10])}))?"
    rf"|(?P<unit>{'|'.join(_UNITS)}))\b"
)
LEAST_DIGITS = 3
"""Significant digits to which a number may be rounded."""


def states(text: str, fact: Fact, observations: Iterable[str] = ()) -> bool:
    """Return whether `text` states `fact`, or one of several.

    A fact `re:PATTERN` stands for every match of the pattern in `observations`, of which there must be one.
    """
    if not isinstance(fact, str):
        return any(states(text, one, observations) for one in fact)
    if fact.startswith("re:"):
        pattern = fact.removeprefix("re:")
        found = {match for observation in observations for match in re.findall(pattern, observation)}
        return bool(found) and all(states(text, match) for match in found)
    plain = normalize(text)
    if _NUMBER_FACT.fullmatch(fact):
        return any(_is_rounded(value, Decimal(fact)) for value in _numbers(plain))
    if match := _DATE_FACT.fullmatch(fact):
        year, month, day = map(int, match.groups())
        return any(found[0] in (None, year) for found in _dates(plain) if found[1:] == (month, day))
    if match := _TIME_FACT.fullmatch(fact):
        return _time_pattern(int(match[1]), match[2]).search(plain) is not None
    return _text_pattern(fact).search(plain) is not None


def normalize(text: str) -> str:
    """Return `text` in lower case, without emphasis, with plain quotes and dashes and single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).translate(_SAME).casefold().split())


def _is_rounded(value: Decimal, wanted: Decimal) -> bool:
    """Return whether `value` is `wanted`, or `wanted` rounded to `LEAST_DIGITS` digits or more."""
    if value == wanted:
        return True
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    digits = max(len(str(abs(value)).replace(".", "").lstrip("0")), 0)
    if wanted == wanted.to_integral_value() or digits < LEAST_DIGITS:
        return False
    return abs(value - wanted) <= Decimal((0, (5,), exponent - 1)) and abs(value) > 0


@lru_cache(maxsize=4096)
def _numbers(plain: str) -> frozenset[Decimal]:
    """Return the numbers in a normalized text; one with spaces between its groups also as separate ones."""
    values: set[Decimal] = set()
    for match in _NUMBER.finditer(plain):
        sign = -1 if match["sign"] else 1
        separator = match["separator"]
        values.add(sign * Decimal(match["digits"].replace(separator or ",", "")))
        if separator == " ":
            values |= {Decimal(part) for part in match["digits"].split(" ")}
    for match in _NUMBER_WORD.finditer(plain):
        words = [match[group] for group in ("tens", "ones", "unit") if match[group]]
        value = sum(_WORD_VALUES[word] for word in words)
        values.add(Decimal(-value if match["sign"] else value))
    return frozenset(values)


_MONTH = "|".join(rf"{name}|{name[:3]}|{name[:4]}" for name in MONTHS)
_DAY = r"(?<![\d.])(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?"
_YEAR = r"(?:,?(?: of)? (?P<year>\d{4})(?!\d))?"
_DATE_PATTERNS = (
    re.compile(rf"{_DAY}(?: of)?[ -](?P<month>{_MONTH})\b\.?(?:-(?=\d{{4}}))?{_YEAR}"),
    re.compile(rf"\b(?P<month>{_MONTH})\b\.?,? (?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?![\d:]){_YEAR}"),
    re.compile(r"(?<!\d)(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?!\d)"),
)
_NUMERIC = re.compile(r"(?<![\d./])(\d{1,2})([./])(\d{1,2})\2(\d{4})(?!\d)")


def _dates(plain: str) -> Iterator[tuple[int | None, int, int]]:
    """Yield year or None, month and day of the dates in a normalized text."""
    for pattern in _DATE_PATTERNS:
        for match in pattern.finditer(plain):
            name = match["month"]
            month = int(name) if name.isdigit() else _month_number(name)
            yield int(match["year"]) if match["year"] else None, month, int(match["day"])
    for first, _, second, year in _NUMERIC.findall(plain):
        yield int(year), int(second), int(first)
        yield int(year), int(first), int(second)


def _month_number(name: str) -> int:
    return next(number for number, month in enumerate(MONTHS, 1) if month.startswith(name[:3]))


@lru_cache(maxsize=512)
def _time_pattern(hour: int, minute: str) -> re.Pattern[str]:
    """Return a pattern of a time on the clock of 24 hours, or with am or pm."""
    half = "p" if hour >= 12 else "a"
    minutes = rf"[:.]{minute}" if minute != "00" else r"(?:[:.]00)?"
    short = rf"0?{hour % 12 or 12}{minutes} ?{half}\.?m\b"
    return re.compile(
        rf"(?<![\d:])(?:0?{hour}[:.]{minute}(?![\d:]*\d)(?! ?{'a' if half == 'p' else 'p'}\.?m\b)|{short})"
    )


@lru_cache(maxsize=4096)
def _text_pattern(fact: str) -> re.Pattern[str]:
    plain = normalize(fact)
    before = r"(?<!\w)" if plain[:1].isalnum() else ""
    after = r"(?!\w)" if plain[-1:].isalnum() else ""
    return re.compile(f"{before}{re.escape(plain)}{after}")
