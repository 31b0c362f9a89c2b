"""Equations and conversions that an answer states: they hold, or stand in what was said."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction

from agent.errors import ToolError
from agent.tools.lib.numbers.arithmetic import evaluate
from agent.tools.lib.numbers.units import Unit, find_unit

TOLERANCE = Fraction(1, 1000)
"""Of the value: answers round."""
_NUMBER = r"[-\u2212]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?"
_EQUATION = re.compile(
    rf"(?P<left>[-(\d][^=\n;]{{0,200}}?|[a-z0-9]{{1,9}}\([^=\n;]{{0,200}}?)\s*=\s*(?P<right>{_NUMBER})"
)
_WORDS = r"[^\W\d_]+(?:[/ ][^\W\d_]+){0,2}"
_CONVERSION = re.compile(
    rf"(?<![\w.,])(?P<value>{_NUMBER})\s?(?P<unit>{_WORDS}) (?:is|are|equals?|=) (?:about )?"
    rf"(?P<result>{_NUMBER})\s?(?P<target>{_WORDS})"
)

_PART_BEFORE = re.compile(rf"(?<![\w.,]){_NUMBER}\s?[^\W\d_]+,?(?: and)? $")
"""The larger part of a quantity in two units: 6 stone (and) 4 pounds."""


def wrong_result(answer: str, said: Sequence[str]) -> str:
    """Return which equation or conversion of `answer` does not hold, as a clause; empty if all do."""
    text = "\n".join(said)
    return next((f"{wrong} does not hold" for wrong in _wrong(answer) if wrong not in text), "")


def equations(text: str) -> Iterator[tuple[re.Match[str], bool]]:
    """Yield the equations of `text`, with the groups `left` and `right`, and whether they hold."""
    for found in _EQUATION.finditer(text):
        try:
            value = Fraction(evaluate(found["left"]))
        except (ToolError, ValueError, OverflowError):
            continue
        yield found, _are_alike(value, _number(found["right"]))


def _wrong(answer: str) -> Iterator[str]:
    yield from (found.group().strip() for found, holds in equations(answer) if not holds)
    for found in _CONVERSION.finditer(answer):
        if _PART_BEFORE.search(answer, 0, found.start()):
            continue
        source, target = _unit(found["unit"]), _unit(found["target"])
        if source and target and source.kind == target.kind:
            base = (_number(found["value"]) + source.offset) * source.factor
            if not _are_alike(base / target.factor - target.offset, _number(found["result"])):
                yield found.group().strip()


def _number(text: str) -> Fraction:
    return Fraction(text.replace(",", "").replace("\u2212", "-"))


def _unit(words: str) -> Unit | None:
    """Return the unit that `words` begin with."""
    parts = words.split(" ")
    return next((unit for end in (3, 2, 1) if (unit := find_unit(" ".join(parts[:end])))), None)


def _are_alike(value: Fraction, other: Fraction) -> bool:
    return abs(value - other) <= TOLERANCE * max(abs(value), abs(other))
