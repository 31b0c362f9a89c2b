"""Intents of requests that no built-in tool serves."""

from train.data.phrasings import sections

KINDS: tuple[str, ...] = (
    "weather",
    "news",
    "stocks",
    "sports",
    "live_facts",
    "health",
    "errands",
    "translate",
    "email",
    "calls_messages",
    "music_video",
    "travel_booking",
    "shopping",
    "web_search",
    "maps_directions",
    "restaurant",
    "image",
    "alarm_timer",
    "calendar_meeting",
    "smart_home",
    "programming_write",
    "delete_or_move_files",
    "install_software",
    "bank",
)

NAMED: dict[str, tuple[str, ...]] = sections("impossible_named.txt")
"""Phrasings of these requests with slots, any of those that `intents.no_call.impossible` fills."""
assert set(NAMED) <= set(KINDS)
