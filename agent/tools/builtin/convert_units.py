"""The tool `convert_units`."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from agent.errors import ToolError
from agent.tools.base import tool
from agent.tools.lib.argument_types import Amount, UnitName
from agent.tools.lib.numbers.number_format import format_significant
from agent.tools.lib.numbers.units import Unit, find_unit

SIGNIFICANT_DIGITS = 6
"""Significant digits of a result that is not an integer."""
_WITH_REST = re.compile(r"([^\W\d_]+)\s+(?:and\s+)?(\d+(?:\.\d+)?)\s*([^\W\d_]*)")
_SMALLER = [
    (find_unit(larger), find_unit(smaller))
    for larger, smaller in (
        ("foot", "inch"),
        ("stone", "pound"),
        ("pound", "ounce"),
        ("hour", "minute"),
        ("minute", "second"),
    )
]
"""What is counted behind a unit where no other is named: six feet two."""


@tool(may="read", untrusted=False)
def convert_units(value: Amount, from_unit: UnitName, to_unit: UnitName) -> str:
    """Convert a value from one unit to another.

    A smaller unit may follow the first: 6 `feet 2`, 1 `hour 20 minutes`.
    """
    if not math.isfinite(value):
        raise ToolError("value is not a finite number")
    target = _require_unit(to_unit)
    if (rest := _smaller_part(from_unit, target.kind)) and value >= 0:
        base = Fraction(repr(value)) * _require_unit(rest[0]).factor + rest[1]
        return f"{_format(base / target.factor - target.offset)} {to_unit.strip()}"
    source = _require_unit(from_unit)
    if source.kind != target.kind:
        raise ToolError(f"cannot convert {from_unit.strip()} to {to_unit.strip()}")
    base = (Fraction(repr(value)) + source.offset) * source.factor
    if source.kind == "temperature" and base < 0:
        raise ToolError("that is below absolute zero")
    return f"{_format(base / target.factor - target.offset)} {to_unit.strip()}"


def _smaller_part(unit: str, kind: str) -> tuple[str, Fraction] | None:
    """Return the larger unit of `feet 2` or `hours and 20 minutes`, and the rest in base units of `kind`."""
    if not (found := _WITH_REST.fullmatch(unit.strip())):
        return None
    larger, amount, name = found.groups()
    source = find_unit(larger)
    smaller = find_unit(name) if name else next((s for u, s in _SMALLER if source == u), None)
    if (
        not source
        or not smaller
        or not source.kind == smaller.kind == kind
        or smaller.factor >= source.factor
    ):
        return None
    return larger, Fraction(amount) * smaller.factor


def _require_unit(name: str) -> Unit:
    unit = find_unit(name)
    if unit is None:
        raise ToolError(f"unknown unit '{name.strip()[:80]}'")
    return unit


def _format(value: Fraction) -> str:
    """Return integers in full and other values rounded, but never to tens or more."""
    whole = round(value)
    if value == whole or abs(value) >= 10**SIGNIFICANT_DIGITS:
        return str(whole) if abs(whole) < 10**15 else format_significant(value, SIGNIFICANT_DIGITS)
    return format_significant(value, SIGNIFICANT_DIGITS)
