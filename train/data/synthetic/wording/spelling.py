"""Numbers as people write them: in words, in dozens and fractions, with separators of thousands."""

from __future__ import annotations

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
    *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"),
    *("eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth"),
    *("eighteenth", "nineteenth", "twentieth", "twenty-first", "twenty-second", "twenty-third"),
    *("twenty-fourth", "twenty-fifth", "twenty-sixth", "twenty-seventh", "twenty-eighth", "twenty-ninth"),
    *("thirtieth", "thirty-first"),
)
"""The ordinal of 1 stands at place 0, up to that of 31."""

FRACTIONS: tuple[tuple[str, int, int], ...] = (
    ("half", 1, 2),
    ("a half", 1, 2),
    ("one half", 1, 2),
    ("a third", 1, 3),
    ("one third", 1, 3),
    ("two thirds", 2, 3),
    ("a quarter", 1, 4),
    ("one quarter", 1, 4),
    ("three quarters", 3, 4),
    ("a fifth", 1, 5),
    ("one fifth", 1, 5),
    ("two fifths", 2, 5),
    ("three fifths", 3, 5),
    ("four fifths", 4, 5),
    ("a sixth", 1, 6),
    ("five sixths", 5, 6),
    ("an eighth", 1, 8),
    ("three eighths", 3, 8),
    ("five eighths", 5, 8),
    ("a tenth", 1, 10),
    ("one tenth", 1, 10),
    ("three tenths", 3, 10),
    ("seven tenths", 7, 10),
)
"""Words, numerator, denominator."""


def number_words(number: int) -> str:
    """Return a number from 0 to 999,999 in English words."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")
    if number < 1000:
        hundreds, rest = divmod(number, 100)
        return f"{_ONES[hundreds]} hundred" + (f" and {number_words(rest)}" if rest else "")
    thousands, rest = divmod(number, 1000)
    joined = " and " if 0 < rest < 100 else " "
    return f"{number_words(thousands)} thousand" + (f"{joined}{number_words(rest)}" if rest else "")


def ordinal(number: int) -> str:
    """Return 1st, 2nd, 3rd, 4th, … ."""
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def with_separators(number: int) -> str:
    """Return a number with commas between thousands."""
    return f"{number:,}"
