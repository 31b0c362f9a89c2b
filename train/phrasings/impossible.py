"""Requests that no built-in tool can meet, by topic, and what a thought calls each topic."""

from train.phrasings import impossible_deeds, impossible_reach, impossible_world

INTENTS: dict[str, tuple[str, ...]] = {
    **impossible_world.INTENTS,
    **impossible_reach.INTENTS,
    **impossible_deeds.INTENTS,
}

TOPICS: dict[str, str] = {
    "weather": "the weather",
    "news": "the news",
    "stocks": "markets and exchange rates",
    "sports": "sports results",
    "politics_facts": "general knowledge",
    "health": "health questions",
    "recipes": "cooking and recipes",
    "translate": "translation",
    "email": "sending or reading email",
    "calls_messages": "calls and messages",
    "music_video": "playing music or video",
    "travel_booking": "travel and bookings",
    "shopping": "shopping",
    "web_search": "searching the web",
    "maps_directions": "maps and directions",
    "restaurant": "restaurants",
    "image": "making or reading images",
    "alarm_timer": "alarms and timers",
    "calendar_meeting": "a calendar or meetings",
    "smart_home": "controlling devices at home",
    "programming_write": "writing or running programs",
    "delete_or_move_files": "deleting or moving files",
    "install_software": "installing software or running the system",
    "bank": "banking and payments",
}
