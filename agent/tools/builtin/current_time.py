"""The tool `current_time`."""

from __future__ import annotations

import re
import unicodedata
import zoneinfo
from functools import lru_cache

from agent.errors import ToolError
from agent.tools.base import tool
from agent.tools.lib.argument_types import TimeZone
from agent.tools.lib.dates import now, weekday
from agent.tools.lib.places import ZONES_BY_PLACE


@tool(may="read", untrusted=False)
def current_time(timezone: TimeZone | None = None) -> str:
    """Tell the current date and time.

    The zone is an IANA name or a city; without one it is the computer's own.
    """
    moment = now()
    name = moment.tzname() or "local time"
    if timezone and timezone.strip():
        name = _find_zone(timezone)
        moment = moment.astimezone(zoneinfo.ZoneInfo(name))
    return f"{weekday(moment)} {moment:%Y-%m-%d %H:%M} {name}"


def _find_zone(place: str) -> str:
    """Return the IANA name of the time zone of a zone, city or country. Raise ToolError if none is known."""
    zones = _zones_by_name()
    unaccented = "".join(c for c in unicodedata.normalize("NFKD", place[:80]) if not unicodedata.combining(c))
    for name in (unaccented, unaccented.partition(",")[0]):
        if zone := zones.get(re.sub(r"[\s_]+", " ", name).strip().lower()):
            return zone
    raise ToolError(f"unknown time zone '{place[:80]}'; use a name like Europe/Paris")


@lru_cache(maxsize=1)
def _zones_by_name() -> dict[str, str]:
    """Return IANA names by their lower-case spelling with spaces, by their last part, and by place."""
    names = sorted(zoneinfo.available_timezones(), key=lambda name: (name.count("/"), name))
    spelled = {name: name.replace("_", " ").lower() for name in names}
    zones: dict[str, str] = {}
    for name in names:
        zones.setdefault(spelled[name].rpartition("/")[2], name)
    for zone, places in ZONES_BY_PLACE.items():
        zones |= dict.fromkeys(places.split(","), zone)
    return zones | {spelling: name for name, spelling in spelled.items()}
