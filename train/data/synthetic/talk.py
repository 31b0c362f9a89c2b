"""Intents without a built-in tool: small talk, what no tool can do, and tools of other programs."""

from __future__ import annotations

from typing import Any

from train.data.phrasings import QUESTIONS, REPLIES, foreign, impossible, names
from train.data.synthetic.draw import Draw
from train.data.synthetic.plan import READY, Ask, End, Intent, Script, Step, Use
from train.data.synthetic.world import World

TALK = "This is small talk; no tool is needed."
_LANGUAGES = (
    "French",
    "Spanish",
    "German",
    "Italian",
    "Dutch",
    "Polish",
    "Swedish",
    "Greek",
    "Turkish",
    "Danish",
)
_CURRENCIES = ("USD", "EUR", "GBP", "JPY", "CHF", "dollars", "euros", "pounds", "yen", "francs", "kroner")
SERVES = {
    "get_weather": ("weather",),
    "get_stock_price": ("stocks",),
    "translate_text": ("translate",),
    "send_message": ("email", "calls_messages"),
    "set_timer": ("alarm_timer",),
    "get_route": ("maps_directions", "travel_booking"),
    "book_table": ("restaurant",),
    "play_song": ("music_video",),
    "delete_file": ("delete_or_move_files",),
    "convert_currency": ("bank",),
    "define_word": ("web_search",),
    "github_stars": ("web_search",),
}
"""The impossible topics that become possible where a foreign tool is on offer."""
_TOPICS = {"convert_currency": "currencies", "define_word": "word meanings", "github_stars": "GitHub"}


def cannot(topic: str) -> str:
    """The last thought where no tool on offer does what is asked."""
    return f"I cannot help with {topic}: no tool on offer does that."


def _chat(kind: str) -> Intent:
    def script(d: Draw, world: World) -> Script:
        yield Ask(d.question(kind))
        return End(d.rng.choice(REPLIES[kind]), thought=TALK)

    return Intent(kind, (), "small talk", 0.35, script)


def _impossible(kind: str) -> Intent:
    def script(d: Draw, world: World) -> Script:
        yield Ask(d.question(kind))
        return End(cannot(impossible.TOPICS[kind]), gave_up=True)

    return Intent(kind, (), impossible.TOPICS[kind], 0.3, script)


def _foreign(tool: dict[str, Any]) -> Intent:
    def script(d: Draw, world: World) -> Script:
        values = {name: _value(d, name, schema) for name, schema in tool["parameters"]["properties"].items()}
        yield Ask(d.question(tool["intent"], **values))
        made_up = {"number": d.rng.randint(2, 900), "word": d.word()}
        seen = d.rng.choice(tool["observation"]).format(**(made_up | values))
        arguments = {
            name: _typed(str(value), tool["parameters"]["properties"][name]) for name, value in values.items()
        }
        turns = yield Step("I will use {tool} for this.", (Use(tool["name"], arguments, seen),))
        result = turns[0].content
        return End(d.rng.choice(tool["answers"]).format(**values, result=result), (result,), thought=READY)

    topic = _TOPICS.get(tool["name"]) or impossible.TOPICS[SERVES[tool["name"]][0]]
    return Intent(tool["intent"], (tool["name"],), topic, 0.35, script)


def _typed(text: str, schema: dict[str, Any]) -> int | float | str:
    match schema.get("type"):
        case "integer":
            return int(text)
        case "number":
            return float(text) if "." in text else int(text)
    return text


def _value(d: Draw, name: str, schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return d.rng.choice(schema["enum"])
    if schema.get("type") in ("integer", "number"):
        return d.integer(2, 90)
    lowered = name.lower()
    if "currency" in lowered:
        return d.rng.choice(_CURRENCIES)
    if "language" in lowered:
        return d.rng.choice(_LANGUAGES)
    if "symbol" in lowered:
        return d.word().upper()[:4]
    if "repository" in lowered:
        return f"{d.word()}/{d.word()}"
    if any(part in lowered for part in ("city", "start", "goal", "place")):
        return d.pick([spoken for spoken, _ in names.CITIES])
    if any(part in lowered for part in ("person", "restaurant")):
        return d.pick(names.FIRST_NAMES)
    if "path" in lowered:
        return d.file_name()
    if "text" in lowered or "title" in lowered:
        return d.phrase()
    return d.word()


TALKS: tuple[Intent, ...] = tuple(_chat(kind) for kind in REPLIES)
IMPOSSIBLES: tuple[Intent, ...] = tuple(_impossible(kind) for kind in impossible.TOPICS)
FOREIGNS: tuple[Intent, ...] = tuple(_foreign(tool) for tool in foreign.FOREIGN)
assert all(intent.name in QUESTIONS for intent in (*TALKS, *IMPOSSIBLES, *FOREIGNS))
