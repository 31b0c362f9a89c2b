"""The numbers that a conversation holds, in digits or in words: what a derived argument may be made of.

An argument such as an expression or a count of days is not a copy of what was said, but its numbers are: as
they stand, without separators of thousands, or as one of the words in the tables below stands for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from fractions import Fraction
from functools import lru_cache

from agent.llama.grammar.cells import lines_with_cells


def _numbered(words: str, first: int = 0, step: int = 1) -> dict[str, int]:
    return {word: first + step * index for index, word in enumerate(words.split())}


CARDINALS = {
    **_numbered(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    ),
    **_numbered("sixteen seventeen eighteen nineteen", 16),
    **_numbered("twenty thirty forty fifty sixty seventy eighty ninety", 20, 10),
}
SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
SCALE_LETTERS = {"k": 1_000, "m": 1_000_000, "bn": 1_000_000_000}
ORDINALS = {
    **_numbered("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth", 1),
    **_numbered("thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth", 13),
}
_RESEMBLING = (
    "bone canine cone delight done eighteenth eighth eleventh engine even event favour fifteenth fifth"
    " fight flour fort forth forts fourteenth fourth freight gone height heighten heights hone inline"
    " light lone might mighty neigh night nineteenth none once ones online right seen serve seventeenth"
    " seventh sever severity sieve sight sixteenth sixth steve steven tend tent thee theme then there"
    " these thirst thirsty thirteenth threw tight tighten tone tree trees weigh weight weights went zone"
)
NOT_CARDINALS = frozenset(_RESEMBLING.split())
"""Words that resemble a cardinal and are no misspelling of one."""
WORDS = {
    "half": ("2", "0.5", "50"),
    "halves": ("2", "0.5"),
    "halve": ("2", "0.5"),
    "quarter": ("4", "0.25", "25"),
    "dozen": ("12",),
    "gross": ("144",),
    "couple": ("2",),
    "pair": ("2",),
    "double": ("2",),
    "twice": ("2",),
    "triple": ("3",),
    "treble": ("3",),
    "thrice": ("3",),
    "quadruple": ("4",),
    "feet": ("12",),
    "foot": ("12",),
    "ft": ("12",),
    "pound": ("16",),
    "lb": ("16",),
    "square": ("2",),
    "cube": ("3",),
    "percent": ("100",),
    "percentage": ("100",),
    "fortnight": ("14", "2"),
    "week": ("7", "52"),
    "weekly": ("7", "52"),
    "day": ("24", "7", "365"),
    "month": ("30", "12"),
    "monthly": ("12",),
    "year": ("365", "12", "52"),
    "hour": ("60", "24", "3600"),
    "minute": ("60",),
    "second": ("60",),
    "midnight": ("0",),
    "noon": ("12",),
}
"""What a word may stand for in an expression, beside the number that it is: the constants of the calendar, of
a percentage, of a power, of feet in inches and pounds in ounces. Plurals in -s, -d and -ed count as well."""
MONTHS_IN_ORDER = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
HOLIDAYS = {
    "christmas": ("24", "25"),
    "xmas": ("24", "25"),
    "boxing": ("26",),
    "new year": ("1", "31"),
    "silvester": ("31",),
    "epiphany": ("6",),
    "groundhog": ("2",),
    "women's day": ("8",),
    "labour day": ("1",),
    "europe day": ("9",),
    "midsummer": ("24",),
    "fawkes": ("5",),
    "bonfire": ("5",),
    "veterans": ("11",),
    "all saints": ("1",),
    "x-mas": ("24", "25"),
    "of christmas": ("26",),
    "of july": ("4",),
    "valentine": ("14",),
    "halloween": ("31",),
    "april fool": ("1",),
    "may day": ("1",),
    "nicholas": ("6",),
    "patrick": ("17",),
    "independence day": ("4",),
    "bastille": ("14",),
    "year": ("31",),
}
"""The days of the month of holidays, and of the end of a year, that people name without their date."""
DAYS_OF = {"week": 7, "fortnight": 14, "month": 30, "year": 365}
ALWAYS = ("1", "2", "100")
"""Operands that no word announces: x + 1, x / 2, x / y * 100."""

_DIGITS = re.compile(r"\d+(?:[.,'\u2019\u00a0\u202f ]?\d+)*")
_ONE_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
_PARTS, _INTEGERS = re.compile(r"\d+\.\d+"), re.compile(r"\d+")
_WORD = re.compile(r"[^\W\d_]+")
_SUFFIX = re.compile(r"(\d+(?:\.\d+)?)\s?(k|m|bn|thousand|million|billion)\b", re.IGNORECASE)
_FUZZY_FROM, _SIMILARITY = 4, 0.8
"""Letters from which a word is compared with misspellings, and difflib's ratio from which it is one."""
_DECIMAL = re.compile(r"\d{1,6}(?:\.\d+)?")
_MOST_SUMMED, _MOST_TERMS = 40, 200
"""Numbers of a text that counts of days are made of, and terms of which sums are made, at most."""
LONGEST_LIST = 400
"""Numbers of a text beyond which it is not a list that somebody counts."""


def spellings(number: str) -> Iterator[str]:
    """Yield what `number`, as it was written, may be in an expression: 1,234.50 is 1234.50 and 1234.5.

    A comma before three digits is a separator of thousands, any other one may be a decimal comma.
    """
    plain = re.sub(r"['\u2019\u00a0\u202f ]", "", number)
    candidates = {number, plain}
    if _GROUPED.fullmatch(plain):
        candidates.add(plain.replace(",", ""))
        plain = ""
    if re.fullmatch(r"\d{1,3}(?:,\d{2,3})*(?:\.\d+)?", plain):
        candidates.add(plain.replace(",", ""))
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})*(?:,\d+)?", plain):
        candidates.add(plain.replace(".", "").replace(",", "."))
    if re.fullmatch(r"\d+,\d+", plain):
        candidates.add(plain.replace(",", "."))
    for candidate in candidates:
        yield candidate
        whole, point, fraction = candidate.partition(".")
        whole = whole.lstrip("0") or "0"
        fraction = fraction.rstrip("0") if fraction.isdigit() else fraction
        if whole.isdigit():
            yield f"{whole}.{fraction}" if point and fraction else whole


def spoken_numbers(text: str) -> set[str]:
    """Return the numbers that are written in words in `text`, such as two hundred and five, as digits.

    Every beginning of such a run counts, since "and" may also stand between two numbers, and a word of which
    a letter is wrong counts as the number that it resembles.
    """
    found: set[str] = set()
    total = current = 0
    for match in _WORD.finditer(text):
        word = match.group().lower()
        value = _cardinal(word)
        if value is not None:
            current += value
            found |= {str(value), str(total + current)}
        elif scale := SCALES.get(word.removesuffix("s")):
            current = max(current, 1) * scale
            found |= {str(scale), str(total + current)}
            if scale > 100:
                total, current = total + current, 0
        elif word != "and":
            total = current = 0
        if ordinal := ORDINALS.get(word.removesuffix("s")):
            found.add(str(ordinal))
    for number, scale_name in _SUFFIX.findall(text):
        factor = SCALE_LETTERS.get(scale_name.lower()) or SCALES[scale_name.lower()]
        found.add(_plain(float(number) * factor))
    return found


def word_constants(text: str) -> set[str]:
    """Return what the words of `text` may stand for by the table `WORDS`."""
    found = {number for match in _WORD.finditer(text) for number in _constants(match.group().lower())}
    return found | {"100"} if "%" in text else found


def number_atoms(texts: Sequence[str]) -> set[str]:
    """Return the numbers in digits of `texts`, in all their spellings.

    Digits with points, commas or spaces between them may be one number or several, unless they are one
    decimal or have one separator of thousands. In a line with several commas and in a row of a table
    these may be several too.
    """
    found: set[str] = set()
    for line, is_row in (line for text in texts for line in lines_with_cells(text)):
        for match in _DIGITS.finditer(line):
            written = match.group()
            parts = [written]
            if not _ONE_NUMBER.fullmatch(written) or ("," in written and (is_row or line.count(",") > 1)):
                parts += [*_PARTS.findall(written), *_INTEGERS.findall(written)]
            found.update(spelling for part in parts for spelling in spellings(part))
    return found


def counts(texts: Sequence[str]) -> set[str]:
    """Return how many numbers, and how many lines, each of `texts` lists."""
    found: set[str] = set()
    for text in texts:
        numbers = len(_DIGITS.findall(text))
        lines = len(text.splitlines())
        found |= {
            str(count) for count in (numbers, numbers - 1, lines, lines - 1) if 1 < count < LONGEST_LIST
        }
    return found


def derivable_numbers(texts: Sequence[str]) -> set[str]:
    """Return the numbers that an expression about `texts` may hold, as digits without a sign."""
    found = number_atoms(texts) | counts(texts) | set(ALWAYS)
    for text in texts:
        found |= spoken_numbers(text) | word_constants(text)
    numbers = [int(number) for number in spoken_numbers(" ".join(texts)) if number.isdigit()]
    if any("dozen" in text.lower() for text in texts):
        found |= {str(12 * number) for number in numbers} | {"6"}
    return found


def plannable_numbers(texts: Sequence[str]) -> set[str]:
    """Return the numbers that a thought about `texts` may hold: operands, counts of days, parts of a date."""
    found = derivable_numbers(texts) | {str(days) for days in day_counts(texts)}
    found |= {str(month) for month in months(texts)} | holiday_days(texts)
    whole = [number for number in found if number.isdigit()]
    padded = {f"{int(number):02}" for number in whole if len(number) <= 2 and int(number) < 32}
    return found | padded | {f"{number}.0" for number in whole}


def day_counts(texts: Sequence[str]) -> set[int]:
    """Return the counts of days that `texts` may mean: numbers of days, weeks, months and years, and sums.

    A month is 30 days and a year 365, as the models are taught. Up to a week is always allowed: a weekday is
    as many days away.
    """
    found = set(range(8))
    for text in texts:
        factors = {1} | {
            days for name, days in DAYS_OF.items() if re.search(rf"\b{name}", text, re.IGNORECASE)
        }
        parts = sorted(number_atoms([text]) | spoken_numbers(text) | word_constants(text))
        values = {Fraction(part) for part in parts[:_MOST_SUMMED] if _DECIMAL.fullmatch(part)}
        if "half" in text.lower():
            values |= {value + Fraction(1, 2) for value in {*values, Fraction(0), Fraction(1)}}
        terms = {(value * factor, factor) for value in {*values, Fraction(1)} for factor in factors}
        found |= {int(term) for term, _ in terms} | {-int(-term // 1) for term, _ in terms}
        if re.search(r"\band\b|\bplus\b|,", text, re.IGNORECASE) and len(terms) < _MOST_TERMS:
            pairs = ((one, other) for one, a in terms for other, b in terms if a > b)
            found |= {int(one + other) for one, other in pairs}
    return found


@lru_cache(maxsize=4096)
def _cardinal(word: str) -> int | None:
    if word in CARDINALS:
        return CARDINALS[word]
    if len(word) < _FUZZY_FROM or word in NOT_CARDINALS:
        return None
    near = get_close_matches(word, CARDINALS, n=1, cutoff=_SIMILARITY)
    return CARDINALS[near[0]] if near else None


@lru_cache(maxsize=4096)
def _constants(word: str) -> tuple[str, ...]:
    forms = {word, word.removesuffix("s"), word.removesuffix("d"), word.removesuffix("ed")}
    if len(word) >= _FUZZY_FROM:
        forms.update(get_close_matches(word, WORDS, n=1, cutoff=_SIMILARITY))
    return tuple(number for form in forms for number in WORDS.get(form, ()))


def _plain(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def months(texts: Iterable[str]) -> set[int]:
    """Return the months that `texts` name, 1 to 12."""
    words = {match.group().lower()[:3] for text in texts for match in _WORD.finditer(text)}
    return {number for number, name in enumerate(MONTHS_IN_ORDER, 1) if name in words}


def holiday_days(texts: Iterable[str]) -> set[str]:
    """Return the days of the month of the holidays that `texts` name."""
    joined = " ".join(texts).lower()
    return {day for name, days in HOLIDAYS.items() if name in joined for day in days}
