"""The tool that converts between units."""

from __future__ import annotations

import math
from fractions import Fraction

from agent.errors import ToolError
from agent.tools.base import tool
from agent.tools.lib.arithmetic import plain
from agent.tools.lib.units import Unit, find_unit

SIGNIFICANT = 6
"""Digits shown of a result that is no integer."""


@tool(may="read")
def convert_units(value: float, from_unit: str, to_unit: str) -> str:
    """Convert a value from one unit to another."""
    if not math.isfinite(value):
        raise ToolError("value is not a finite number")
    source, target = _unit(from_unit), _unit(to_unit)
    if source.kind != target.kind:
        raise ToolError(f"cannot convert {from_unit.strip()} to {to_unit.strip()}")
    base = (Fraction(repr(value)) + source.offset) * source.factor
    if source.kind == "temperature" and base < 0:
        raise ToolError("that is below absolute zero")
    return f"{_shown(base / target.factor - target.offset)} {to_unit.strip()}"


def _unit(name: str) -> Unit:
    unit = find_unit(name)
    if unit is None:
        raise ToolError(f"unknown unit '{name.strip()[:80]}'")
    return unit


def _shown(value: Fraction) -> str:
    """Integers in full, anything else rounded, though never to tens."""
    whole = round(value)
    if value == whole or abs(value) >= 10**SIGNIFICANT:
        return str(whole) if abs(whole) < 10**15 else plain(value, SIGNIFICANT)
    return plain(value, SIGNIFICANT)
