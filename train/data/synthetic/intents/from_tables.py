"""Intents made from tables: small talk, requests that no built-in tool serves, and foreign tools."""

from __future__ import annotations

from typing import Any

from agent.tools.lib.dates import WEEKDAYS
from train.data.phrasings import QUESTIONS, REPLIES, foreign, impossible, names
from train.data.synthetic.memory import Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Intent, Outcome, Question, Script, Step, ToolCall
from train.data.synthetic.wording.refusal import refusal
from train.data.synthetic.wording.spelling import number_words
from train.data.synthetic.worlds.world import World

SMALL_TALK_THOUGHT = "This is small talk; no tool is needed."
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
NAMED_SHARE = 0.6
"""Share of impossible requests about something that is named: a city, a person, a file, a time."""
TOPICS_BY_TOOL = {
    "get_weather": ("weather",),
    "get_stock_price": ("stocks",),
    "translate_text": ("translate",),
    "send_message": ("email", "calls_messages"),
    "set_timer": ("alarm_timer",),
    "get_route": ("maps_directions", "travel_booking"),
    "book_table": ("restaurant",),
    "play_song": ("music_video",),
    "delete_file": ("delete_or_move_files",),
    "convert_currency": ("bank", "stocks"),
    "define_word": ("web_search",),
    "github_stars": ("web_search",),
}
"""Foreign tool -> the intents of impossible requests that it serves."""


def _small_talk(kind: str) -> Intent:
    def script(sample: Sampler, world: World) -> Script:
        yield Question(sample.question(kind))
        return Outcome(sample.rng.choice(REPLIES[kind]), thought=SMALL_TALK_THOUGHT)

    return Intent(kind, (), "small talk", 0.35, script)


def _impossible(kind: str) -> Intent:
    def script(sample: Sampler, world: World) -> Script:
        named = impossible.NAMED.get(kind, ())
        if named and sample.chance(NAMED_SHARE):
            question = sample.phrased(named, **_impossible_values(sample, world))
        else:
            question = sample.question(kind)
        yield Question(question)
        return Outcome(refusal(question), gave_up=True)

    return Intent(kind, (), kind, 0.3, script)


def _impossible_values(sample: Sampler, world: World) -> dict[str, object]:
    """Return values of the slots that impossible requests may have; files and folders mostly exist."""
    rng = sample.rng
    folders = world.folders if world.folders and sample.chance(0.6) else [sample.folder()]
    hour, minute = rng.randint(1, 12), rng.choice((0, 5, 10, 15, 20, 30, 40, 45))
    word = number_words(hour)
    said = (
        *(
            f"{hour}:{minute:02d}",
            f"{hour} o'clock",
            f"half past {word}",
            f"{hour} pm",
            f"{hour}.{minute:02d}",
        ),
        *(f"{word} {rng.choice(('fifteen', 'thirty', 'forty-five'))}", f"quarter past {word}", word, "noon"),
        *(f"quarter to {word}", f"{word} sharp", f"{word} in the evening", f"{hour}:{minute:02d} am"),
    )
    return {
        "city": sample.pick([spoken for spoken, _ in names.CITIES]),
        "name": sample.person(),
        "word": sample.word(),
        "item": sample.pick(names.ITEMS),
        "text": sample.phrase(),
        "path": rng.choice(list(world.files)) if sample.chance(0.6) else sample.file_name(),
        "folder": rng.choice(folders),
        "weekday": rng.choice(WEEKDAYS),
        "time": rng.choice(said),
        "n": rng.randint(2, 90),
        "few": number_words(rng.randint(2, 9)),
    }


def _foreign(tool: dict[str, Any]) -> Intent:
    def script(sample: Sampler, world: World) -> Script:
        values = {
            name: _random_value(sample, name, schema)
            for name, schema in tool["parameters"]["properties"].items()
        }
        yield Question(sample.question(tool["intent"], **values))
        placeholders = {"number": sample.rng.randint(2, 900), "word": sample.word()}
        observation = sample.rng.choice(tool["observation"]).format(**(placeholders | values))
        arguments = {
            name: _json_value(str(value), tool["parameters"]["properties"][name])
            for name, value in values.items()
        }
        given = ", ".join(f"{name} {value}" for name, value in values.items())
        turns = yield Step(
            f"I will use {{tool}} with {given}.", (ToolCall(tool["name"], arguments, observation),)
        )
        result = turns[0].content
        return Outcome(
            sample.rng.choice(tool["answers"]).format(**values, result=result),
            (result,),
            thought=f"The result is: {result}",
            memory=Memory(),
        )

    return Intent(tool["intent"], (tool["name"],), tool["intent"], 0.35, script)


def _json_value(text: str, schema: dict[str, Any]) -> int | float | str:
    match schema.get("type"):
        case "integer":
            return int(text)
        case "number":
            return float(text) if "." in text else int(text)
    return text


def _random_value(sample: Sampler, name: str, schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return sample.rng.choice(schema["enum"])
    if schema.get("type") in ("integer", "number"):
        return sample.integer(2, 90)
    lowered = name.lower()
    if "currency" in lowered:
        return sample.rng.choice(_CURRENCIES)
    if "language" in lowered:
        return sample.rng.choice(_LANGUAGES)
    if "symbol" in lowered:
        return sample.word().upper()[:4]
    if "repository" in lowered:
        return f"{sample.word()}/{sample.word()}"
    if any(part in lowered for part in ("city", "start", "goal", "place")):
        return sample.pick([spoken for spoken, _ in names.CITIES])
    if any(part in lowered for part in ("person", "restaurant")):
        return sample.pick(names.FIRST_NAMES)
    if "path" in lowered:
        return sample.file_name()
    if "text" in lowered or "title" in lowered:
        return sample.phrase()
    return sample.word()


SMALL_TALK_INTENTS: tuple[Intent, ...] = tuple(_small_talk(kind) for kind in REPLIES)
IMPOSSIBLE_INTENTS: tuple[Intent, ...] = tuple(_impossible(kind) for kind in impossible.KINDS)
FOREIGN_INTENTS: tuple[Intent, ...] = tuple(_foreign(tool) for tool in foreign.FOREIGN)
assert all(
    intent.name in QUESTIONS for intent in (*SMALL_TALK_INTENTS, *IMPOSSIBLE_INTENTS, *FOREIGN_INTENTS)
)
