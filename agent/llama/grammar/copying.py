"""Terminals of arguments that are copied or derived, in llguidance's variant of Lark."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from functools import cached_property

from agent.llama.grammar.grounding import Atoms, atoms, grounded_pattern
from agent.llama.grammar.numbers import (
    day_counts,
    derivable_numbers,
    holiday_days,
    months,
    number_atoms,
    spoken_numbers,
)
from agent.tools.lib.dates import MONTHS, WEEKDAYS
from agent.transcript.arguments import ArgumentKind, Copied, Derived

MOST_COPIED = 16_000
"""Characters of what was said that can be copied from: the latest. A thousand compile in 3 ms."""
LONGEST_DATE = 40
"""Characters of a date, at most."""
FUNCTIONS_WITH_DIGITS = ("log10", "log2")

_STRING = r'(?:[^"\\\x00-\x1f\x7f-\x9f]|\\["\\\/bfnrt])+'
"""The contents of a JSON string, as the models write them."""
_ONE_LINE = r'(?:[^"\\\x00-\x1f\x7f-\x9f]|\\["\\])+'
_FREE = r'[^\p{N}"\\\x00-\x1f\x7f-\x9f]'
_BEFORE_NUMBER = r"""[^\p{N}.,'_"\\\x00-\x1f\x7f-\x9f]"""
_DATE_WORD = "|".join(
    sorted({name[:size].lower() for name in (*WEEKDAYS, *MONTHS) for size in range(3, len(name) + 1)})
)
_DATE_PART = rf"((of|the) {{1,3}}){{0,2}}({_DATE_WORD}|[0-9]{{1,4}}(st|nd|rd|th)?)"
_CALENDAR = rf"(?i:today|tomorrow|yesterday|now|{_DATE_PART}([ ,.\-\/]{{1,3}}{_DATE_PART}){{0,6}})"
"""A date as `agent.tools.lib.dates.parse_date` reads it, whichever its numbers are."""
_OPERATOR = r"[ +\-*/^%()\u00b7\u00d7\u00f7\u2212]"


class ArgumentTerminals:
    """The terminals that the rules of a grammar name, each defined once."""

    def __init__(self, texts: Sequence[str]) -> None:
        """`texts` are what the user and the tools said, the latest last."""
        self._texts = [unicodedata.normalize("NFC", text) for text in texts]
        self._lines: dict[str, str] = {}

    def rule(self, kind: ArgumentKind) -> str:
        """Return the right-hand side of a rule for an argument of `kind`, defining what it names."""
        match kind:
            case Copied():
                return rf'"\"" {self._copied(kind)} "\""'
            case Derived("number" | "days"):
                return self._number(kind)
            case Derived("date"):
                return rf'"\"" {self._date()} "\""'
            case Derived("expression"):
                return rf'"\"" {self._define("EXPRESSION", self._expression())} "\""'
            case Derived("text"):
                found = atoms(self._texts)
                pattern = grounded_pattern(Atoms(found.numbers | self._spoken, found.words))
                return (
                    rf'"\"" {self._define("GROUNDED", f"/{_slashed(pattern)}/ & /{_slashed(_STRING)}/")} "\""'
                )
        raise AssertionError(kind)

    @cached_property
    def _spoken(self) -> set[str]:
        return {number for text in self._texts for number in spoken_numbers(text)}

    @cached_property
    def _derivable(self) -> set[str]:
        return derivable_numbers(self._texts)

    def lines(self) -> list[str]:
        """Return the definitions."""
        return [f"{name}: {pattern}" for name, pattern in self._lines.items()]

    def _define(self, name: str, pattern: str) -> str:
        self._lines.setdefault(name, pattern)
        return name

    def _copied(self, kind: Copied) -> str:
        span = self._span(any_case=kind.any_case)
        pieces = span
        if kind.glue:
            glue = f"/[{re.escape(kind.glue).replace('/', chr(92) + '/')}]/"
            pieces = f"{glue}* {span} ({glue}+ {span})* {glue}*"
        alternatives = [pieces]
        if values := sorted(kind.values()):
            alternatives.append(" | ".join(json.dumps(_escaped(value)) for value in values))
        pattern = " | ".join(f"({one})" for one in alternatives)
        known = [name for name, defined in self._lines.items() if defined == pattern]
        return known[0] if known else self._define(f"COPIED_{len(self._lines)}", pattern)

    def _span(self, *, any_case: bool) -> str:
        """Return the terminal of what can be copied from one line of a text."""
        name = "SPAN_IN_ANY_CASE" if any_case else "SPAN"
        if name not in self._lines:
            texts = [
                form for text in reversed(self._texts) for form in _forms(text, any_case) if form.strip()
            ]
            said, left = [], MOST_COPIED
            for text in dict.fromkeys(texts):
                if left > 0:
                    chunks = [_escaped(letter) for letter in text[-left:]]
                    left -= len(chunks)
                    pattern = "%regex " + json.dumps({"substring_chunks": chunks})
                    said.append(self._define(f"SAID_{len(self._lines)}", pattern))
            self._define(name, f"({' | '.join(said) or '/ /'}) & /{_slashed(_ONE_LINE)}/")
        return name

    def _number(self, kind: Derived) -> str:
        if kind.form == "days":
            numbers = {str(days) for days in day_counts(self._texts)}
        else:
            numbers = {number for number in self._derivable if _is_json_number(number)}
        pattern = "|".join(re.escape(number) for number in sorted(numbers))
        return self._define(kind.form.upper(), f"/-?({pattern})/")

    def _date(self) -> str:
        said = number_atoms(self._texts) | self._spoken
        numbers = {int(number) for number in said if number.isdigit() and len(number) <= 4}
        years = {f"{number:04}" for number in numbers if number > 99}
        in_year = {f"{number:02}" for number in {*numbers, *months(self._texts)} if 1 <= number <= 12}
        days = {f"{number:02}" for number in numbers if 1 <= number <= 31} | {
            f"{int(day):02}" for day in holiday_days(self._texts)
        }
        found = atoms(self._texts)
        pattern = grounded_pattern(Atoms(found.numbers | holiday_days(self._texts), found.words))
        parts = [f"/{_slashed(pattern)}/ & /{_CALENDAR}/ & /.{{1,{LONGEST_DATE}}}/"]
        if years and in_year and days:
            parts.append(
                "/" + "-".join(f"({'|'.join(sorted(part))})" for part in (years, in_year, days)) + "/"
            )
        return self._define("DATE", " | ".join(f"({part})" for part in parts))

    def _expression(self) -> str:
        numbers = sorted(self._derivable)
        number = f"({'|'.join(map(re.escape, [*numbers, *FUNCTIONS_WITH_DIGITS]))})"
        between = f"{_FREE}*{_OPERATOR}({_FREE}*{_BEFORE_NUMBER})?"
        return f"/{_slashed(f'({_FREE}*{_BEFORE_NUMBER})?{number}({between}{number})*{_FREE}*')}/"


def _forms(text: str, any_case: bool) -> tuple[str, ...]:
    return (text, text.lower(), text.upper()) if any_case else (text,)


def _escaped(text: str) -> str:
    """Return `text` as it stands inside a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _is_json_number(text: str) -> bool:
    return bool(re.fullmatch(r"(?:0|[1-9]\d*)(?:\.\d+)?", text))


def _slashed(pattern: str) -> str:
    return re.sub(r"(?<!\\)/", r"\/", pattern)
