"""Rules that the calls of `convert_units` are checked by, against the words of the question."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agent.checks.spoken import spoken_operands

_VALUE = r"\d+(?:\.\d+)?|[a-z]+(?:-[a-z]+)?"
_BELOW_ZERO = re.compile(
    rf"(?<!\w)(?<!\d )(?:minus|negative|[-\u2212])\s?(?P<minus>{_VALUE})(?![\w.])"
    rf"|\b(?P<below>{_VALUE})(?: degrees?)?(?: celsius| fahrenheit)? below (?:zero|freezing)\b",
    re.IGNORECASE,
)


def swapped_units(arguments: Mapping[str, Any], question: str) -> str | None:
    """The value stands beside the unit that it is in, not beside the other one."""
    value = re.escape(f"{arguments.get('value', '')}".removesuffix(".0"))
    source, target = (re.escape(str(arguments.get(name, ""))) for name in ("from_unit", "to_unit"))
    beside = rf"(?<![\d.,]){value}\s*"
    if re.search(rf"{beside}{target}\b", question) and not re.search(rf"{beside}{source}\b", question):
        return f"the question gives {arguments.get('value')} in {arguments.get('to_unit')}"
    return None


def same_unit(arguments: Mapping[str, Any], question: str) -> str | None:
    """A conversion leads to another unit, unless the question names one unit twice."""
    source, target = (str(arguments.get(name, "")).strip().lower() for name in ("from_unit", "to_unit"))
    is_asked_for = question.lower().count(source) > 1
    return f"the call converts {source} to {target}" if source == target != "" and not is_asked_for else None


def lost_sign(arguments: Mapping[str, Any], question: str) -> str | None:
    """A value that the question says is below zero is negative."""
    value = arguments.get("value", 0)
    for found in _BELOW_ZERO.finditer(question):
        said = found["minus"] or found["below"]
        forms = {said} if said[0].isdigit() else set[str]().union(*spoken_operands(said))
        if value > 0 and f"{value}".removesuffix(".0") in forms:
            return f"the question says {found.group().strip()} and the value is above zero"
    return None
