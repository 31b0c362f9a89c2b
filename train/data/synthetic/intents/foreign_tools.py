"""Intents over foreign tools of the generator, whose observations are simulated."""

from __future__ import annotations

from typing import Any

from train.data.phrasings import foreign, names
from train.data.synthetic.memory import Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Intent, Outcome, Question, Script, Step, ToolCall
from train.data.synthetic.worlds.world import World

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


FOREIGN_INTENTS: tuple[Intent, ...] = tuple(_foreign(tool) for tool in foreign.FOREIGN)
