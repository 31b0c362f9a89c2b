"""The tool `days_between`."""

from __future__ import annotations

from agent.tools.base import tool
from agent.tools.lib.argument_types import Date
from agent.tools.lib.dates import parse_date
from agent.tools.lib.output import pluralize


@tool(may="read", untrusted=False)
def days_between(start: Date, end: Date) -> str:
    """Count the days from one date to another."""
    return pluralize((parse_date(end) - parse_date(start)).days, "day")
