"""The tools that count days."""

from __future__ import annotations

from datetime import timedelta

from agent.errors import ToolError
from agent.tools.base import tool
from agent.tools.lib.dates import parse_date, weekday
from agent.tools.lib.output import counted


@tool(may="read")
def add_days(date: str, days: int) -> str:
    """Add days to a date, or take them away."""
    start = parse_date(date)
    try:
        day = start + timedelta(days=days)
    except OverflowError:
        raise ToolError("the result is outside the years 1 to 9999") from None
    return f"{day.isoformat()} {weekday(day)}"


@tool(may="read")
def days_between(start: str, end: str) -> str:
    """Count the days from one date to another."""
    return counted((parse_date(end) - parse_date(start)).days, "day")
