"""The tool `add_days`."""

from __future__ import annotations

from datetime import timedelta

from agent.errors import ToolError
from agent.tools.base import tool
from agent.tools.lib.argument_types import Date, Days
from agent.tools.lib.dates import parse_date, weekday


@tool(may="read", untrusted=False)
def add_days(date: Date, days: Days) -> str:
    """Add days to a date, or take them away."""
    start = parse_date(date)
    try:
        day = start + timedelta(days=days)
    except OverflowError:
        raise ToolError("the result is outside the years 1 to 9999") from None
    return f"{day.isoformat()} {weekday(day)}"
