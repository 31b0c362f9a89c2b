"""Reading of public data files into a collection, each recognized by what it contains.

Known are the files of Seal-Tools (tools; requests), MetaTool (plugins; requests), ToolVerifier, Snips' NLU
benchmark, CLINC150, rows of schema 1, and what the importer `sharegpt` reads (glaive's and ToolRL's rows).
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.errors import InputError
from agent.transcript import CallerTurn, ToolSpec, Transcript, UserTurn, row_from_json
from agent.transcript.formats.conversion import Conversation
from agent.transcript.formats.reading import read_records
from agent.transcript.formats.schemas import TYPES, parameters_of
from train.data.foreign.collection import Collection, ForeignRequest, ForeignTool, short, snake
from train.data.importers import IMPORTERS

SERVED_INTENTS = frozenset(
    (
        # What built-in tools do, or the notes could.
        *("time", "timezone", "date", "calculator", "measurement_conversion", "reminder", "reminder_update"),
        *(
            "todo_list",
            "todo_list_update",
            "shopping_list",
            "shopping_list_update",
            "next_holiday",
            "spelling",
        ),
        # What the foreign tools of the generator do.
        *("weather", "translate", "timer", "definition", "text", "directions", "distance", "play_music"),
        *("restaurant_reservation", "exchange_rate", "alarm"),
        # Small talk.
        *("thank_you", "goodbye", "greeting", "yes", "no", "maybe", "repeat", "cancel", "what_is_your_name"),
        *("who_made_you", "are_you_a_bot", "how_old_are_you", "where_are_you_from", "what_can_i_ask_you"),
        *("do_you_have_pets", "what_are_your_hobbies", "who_do_you_work_for", "tell_joke", "fun_fact"),
        *("meaning_of_life", "change_ai_name", "user_name", "change_user_name", "change_language"),
        # What is known in general, or is advice.
        *("recipe", "nutrition_info", "calories", "ingredient_substitution", "ingredients_list", "cook_time"),
        *("food_last", "meal_suggestion", "improve_credit_score", "oil_change_how", "tire_change"),
        *("jump_start", "gas_type", "plug_type", "international_visa", "vaccines", "travel_suggestion"),
        *("taxes", "w2", "rollover_401k", "insurance", "carry_on", "flip_coin", "roll_dice", "tire_pressure"),
        *("how_busy", "international_fees", "whisper_mode", "change_accent", "change_speed", "sync_device"),
    )
)
"""Intents of CLINC150 that are not requests without a tool, or can be answered without one."""
_LIVE = re.compile(
    r"\b(?:my|mine|our|i|i'm|me|today|tonight|tomorrow|yesterday|now|currently|latest|recent|next|nearest|nearby"
    r"|closest|near|this (?:week|month|year|season)|last (?:night|week|game)|score|stock|shares?|prices?|news"
    r"|headlines|tickets?|flights?|open|playing)\b"
)
_ADVICE = re.compile(
    r"^(?:how (?:do|can|should|would) (?:i|you)|why|should i|what(?:'s| is| are)? the best)\b"
)


def needs_a_tool(text: str) -> bool:
    """Return whether a request outside all intents asks for live or personal data.

    Anything else may be known in general, so that refusing it would be wrong.
    """
    lowered = text.lower()
    return bool(_LIVE.search(lowered)) and not _ADVICE.match(lowered)


def read_foreign(paths: Sequence[Path]) -> Collection:
    """Return what the files in `paths` (files or folders) hold.

    Raise InputError where a file cannot be read or is of no known kind, or nothing is found.
    """
    collection = Collection()
    for path in paths:
        named = [path] if path.is_file() else sorted(p for p in path.rglob("*") if _is_data(p))
        if not named:
            raise InputError(
                f"{path} holds no data", "name a JSON, JSON lines or CSV file, or a folder of them"
            )
        for file in named:
            if not _read(file, collection) and path.is_file():
                raise InputError(
                    f"{file} is of no known kind", "train/data/foreign/reading.py lists the known ones"
                )
    return collection


def _is_data(path: Path) -> bool:
    return path.is_file() and path.suffix in (".json", ".jsonl", ".csv")


def _read(file: Path, collection: Collection) -> bool:
    """Add what a file holds; return whether it is of a known kind."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", "name another file") from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    try:
        if file.suffix == ".csv":
            return _read_csv(list(csv.reader(text.splitlines(keepends=True))), collection)
        value = (
            [json.loads(line) for line in text.splitlines() if line]
            if file.suffix == ".jsonl"
            else json.loads(text)
        )
    except (ValueError, csv.Error) as error:
        raise InputError(f"{file} cannot be read: {error}", "name another file") from None
    return _read_json(file, value, collection)


def _read_csv(rows: list[list[str]], collection: Collection) -> bool:
    if rows and rows[0] == ["Query", "Tool"]:
        for query, tool in rows[1:]:
            if "[" not in query:
                collection.requests.append(
                    ForeignRequest(query.strip(' "'), ((tool, {"query": query.strip(' "')}),))
                )
        return True
    if rows and rows[0] == ["text"]:
        for (text,) in rows[1:]:
            _tool_choice(text, collection)
        return True
    return False


def _tool_choice(text: str, collection: Collection) -> None:
    """Add the tools of a row of ToolVerifier, and its request."""
    found = re.match(r"User: (.*?)\n###\nTool Choices: (.*?)\n###\n.*CALLTOOL\[\"(.*?)\"\]", text, re.DOTALL)
    if not found:
        return
    for line in found[2].split("\n"):
        name, _, description = line.partition(" = ")
        collection.add_tool(ForeignTool(_one_text(snake(name), description)))
    question = found[1].strip()
    collection.requests.append(ForeignRequest(question, ((snake(found[3]), {"query": question}),)))


def _one_text(name: str, description: str) -> ToolSpec:
    """Return a tool whose only parameter is the request, for data without parameters."""
    parameters = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
    return ToolSpec(name, short(description), parameters)


def _read_json(file: Path, value: Any, collection: Collection) -> bool:
    first = value[0] if isinstance(value, list) and value else value
    if not isinstance(first, Mapping):
        return False
    only = next(iter(first.items())) if len(first) == 1 else ("", None)
    if "api_name" in first:
        for tool in value:
            collection.add_tool(_seal_tool(tool))
    elif "calling" in first:
        for row in value:
            _seal_request(row, collection)
    elif "name_for_model" in first:
        for plugin in value:
            said = f"{plugin['name_for_human']}: {plugin['description_for_human']}"
            collection.add_tool(ForeignTool(_one_text(plugin["name_for_model"], said)))
    elif "oos_train" in first:
        texts = (pair for part in first.values() for pair in part)
        collection.unserved += [
            text
            for text, intent in texts
            if intent not in SERVED_INTENTS and (intent != "oos" or needs_a_tool(text))
        ]
    elif isinstance(only[1], list):
        _slots(only[0], only[1], collection)
    elif first.get("schema") == 1:
        for row in value:
            _first_calls(row_from_json(row).transcript, collection)
    else:
        return _imported(file, collection)
    return True


def _seal_tool(tool: Mapping[str, Any]) -> ForeignTool:
    parameters = parameters_of(
        {"type": "object", "properties": tool["parameters"], "required": tool["required"]}
    )
    responses = tuple(
        (name, TYPES.get(str(field.get("type")).lower(), "string"))
        for name, field in tool["responses"].items()
    )
    return ForeignTool(ToolSpec(tool["api_name"], short(tool["api_description"]), parameters), responses)


def _seal_request(row: Mapping[str, Any], collection: Collection) -> None:
    calls = tuple((call["api"], call["parameters"]) for call in row["calling"])
    if len(calls) <= 3 and "API_call_" not in json.dumps([arguments for _, arguments in calls]):
        collection.requests.append(ForeignRequest(row["query"], calls))


def _slots(intent: str, rows: Sequence[Mapping[str, Any]], collection: Collection) -> None:
    """Add an intent of Snips as a tool whose parameters are its slots, and its requests."""
    kinds = sorted({part["entity"] for row in rows for part in row["data"] if "entity" in part})
    properties = {kind: {"type": "string"} for kind in kinds}
    name = snake(intent)
    spec = ToolSpec(
        name, name.replace("_", " ").capitalize() + ".", {"type": "object", "properties": properties}
    )
    collection.add_tool(ForeignTool(spec))
    for row in rows:
        question = " ".join("".join(part["text"] for part in row["data"]).split())
        filled = [(part["entity"], part["text"].strip()) for part in row["data"] if "entity" in part]
        if filled and len(dict(filled)) == len(filled):
            collection.requests.append(ForeignRequest(question, ((name, dict(filled)),)))


def _imported(file: Path, collection: Collection) -> bool:
    found = False
    for _, outcome in IMPORTERS["sharegpt"](file, read_records(file)):
        if isinstance(outcome, Conversation):
            found = True
            _first_calls(Transcript(outcome.tools, outcome.turns), collection)
    return found


def _first_calls(transcript: Transcript, collection: Collection) -> None:
    """Add the tools of a conversation, and its first question where that is called for at once."""
    for spec in transcript.tools:
        collection.add_tool(
            ForeignTool(ToolSpec(snake(spec.name), short(spec.description), dict(spec.parameters)))
        )
    turns = transcript.turns
    if turns and isinstance(turns[0], UserTurn):
        second = next((turn for turn in turns[1:3] if isinstance(turn, CallerTurn)), None)
        if second:
            calls = tuple((snake(call.name), dict(call.arguments)) for call in second.calls)
            collection.requests.append(ForeignRequest(turns[0].content, calls))
