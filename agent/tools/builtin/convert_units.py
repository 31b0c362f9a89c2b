"""The tool `convert_units`."""

from __future__ import annotations

import math
from fractions import Fraction

from agent.errors import ToolError
from agent.tools.base import tool
from agent.tools.lib.argument_types import Amount, UnitName
from agent.tools.lib.numbers.number_format import format_significant
from agent.tools.lib.numbers.units import Unit, find_unit

SIGNIFICANT_DIGITS = 6
"""Significant digits of a result that is not an integer."""


@tool(may="read", untrusted=False)
def convert_units(value: Amount, from_unit: UnitName, to_unit: UnitName) -> str:
    """Convert a value from one unit to another."""
    if not math.isfinite(value):
        raise ToolError("value is not a finite number")
    source, target = _require_unit(from_unit), _require_unit(to_unit)
    if source.kind != target.kind:
        raise ToolError(f"cannot convert {from_unit.strip()} to {to_unit.strip()}")
    base = (Fraction(repr(value)) + source.offset) * source.factor
    if source.kind == "temperature" and base < 0:
        raise ToolError("that is below absolute zero")
    return f"{_format(base / target.factor - target.offset)} {to_unit.strip()}"


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
