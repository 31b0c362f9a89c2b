"""Importer of single-turn rows of the Berkeley Function-Calling Leaderboard: questions and accepted answers.

    BFCL_v4_NAME.json                   {"id", "question": [[message, …]], "function": […]}
    possible_answer/BFCL_v4_NAME.json   {"id", "ground_truth": [{tool: {parameter: [accepted, …]}}, …]}

`""` among the accepted values of a parameter means that it may be omitted. In a file of irrelevance no tool
serves the question; in one of relevance some tool does, but no answer says which, so that such a row ends
with the planner. All rows belong to a test set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from agent.transcript import Accepted, Call, CallerTurn, ToolSpec, Turn
from train.data.importers.common.conversion import (
    Conversation,
    Conversion,
    Unusable,
    convert_record,
    require_list,
    require_object,
    require_text,
)
from train.data.importers.common.dialogue import Message, planner, turns_of
from train.data.importers.common.reading import Record, Unreadable, read_records
from train.data.importers.common.schemas import tools_of

ANSWERS = "possible_answer"
_MAX_VALUES = 256
"""Maximum number of expanded values of one parameter; the leaderboard has at most 128."""


def convert_records(
    path: Path, records: Iterable[Record | Unreadable]
) -> Iterator[tuple[Record | Unreadable, Conversion]]:
    """Yield the conversations of a file of questions; a file of answers has none."""
    if path.parent.name == ANSWERS:
        return
    answers: dict[str, Any] = {}
    name = path.name.removesuffix(".gz")
    for beside in filter(Path.is_file, (path.parent / ANSWERS / name, path.parent / ANSWERS / f"{name}.gz")):
        for record in read_records(beside):
            if isinstance(record, Record) and isinstance(record.value, Mapping):
                answers[str(record.value.get("id"))] = record.value.get("ground_truth")
    for record in records:
        for outcome in convert_record(record, partial(convert, kind=path.name, answers=answers)):
            yield record, outcome


def convert(value: Mapping[str, Any], *, kind: str, answers: Mapping[str, Any]) -> Iterator[Conversion]:
    """Yield the one conversation of a question; `kind` is the name of its file."""
    own_id = str(value.get("id", ""))
    tools = tools_of(value.get("function"))
    instruction, question = _question_turns(value.get("question"))
    truth = value.get("ground_truth", answers.get(own_id))
    if truth:
        turns: tuple[Turn, ...] = (planner("", "caller"), _answer(truth, tools))
    elif "irrelevance" in kind:
        turns = (planner("", "give up"),)
    elif "relevance" in kind:
        turns = (planner("", "caller"),)
    else:
        raise Unusable("no answer", f"{ANSWERS}/{kind} holds none for {own_id or 'it'}")
    yield Conversation(tools, (*question, *turns), instruction, own_id, is_test=True)


def _question_turns(question: Any) -> tuple[str, tuple[Turn, ...]]:
    rounds = require_list(question, "question")
    if len(rounds) != 1:
        raise Unusable("several turns", "only single-turn questions can be imported")
    items = [require_object(item, "a message") for item in require_list(rounds[0], "question")]
    pairs = [(item.get("role"), require_text(item.get("content"), "a message")) for item in items]
    system = "\n\n".join(content for role, content in pairs if role == "system")
    before = [Message("user" if role == "user" else "assistant", c) for role, c in pairs if role != "system"]
    # turns_of drops unanswered user messages, and here the answer is added by the caller.
    return system, turns_of([*before, Message("assistant", alone="caller")])[:-1]


def _answer(truth: Any, tools: tuple[ToolSpec, ...]) -> CallerTurn:
    needed = {tool.name: tool.parameters.get("required", []) for tool in tools}
    calls, accept = [], []
    for entry in require_list(truth, "ground_truth"):
        for name, parameters in require_object(entry, "ground_truth").items():
            given = require_object(parameters, "ground_truth").items()
            values = {
                parameter: expand_accepted(require_list(items, "accepted values"))
                for parameter, items in given
            }
            optional = [p for p, items in given if "" in items and p not in needed.get(name, [])]
            first = {p: items[0] for p, items in values.items() if items and p not in optional}
            calls.append(Call(name, first))
            accept.append(Accepted(name, values, tuple(optional)))
    if not calls:
        raise Unusable("no answer", "ground_truth names no tool")
    return CallerTurn(tuple(calls), tuple(accept))


def expand_accepted(accepted: list[Any]) -> list[Any]:
    """Return the accepted values of a list, expanded; a `""`, which stands for omission, comes last.

    In an object, and in a list of objects, each field is a list of accepted values again.
    """
    values = [one for value in accepted if value != "" for one in _expand(value)]
    if len(values) > _MAX_VALUES:
        raise Unusable("too many accepted answers", f"{len(values)} values of one parameter")
    return values + [""] * ("" in accepted)


def _expand(value: Any) -> list[Any]:
    match value:
        case Mapping():
            fields = [_field(items) for items in value.values()]
            if prod(map(len, fields)) > _MAX_VALUES:
                raise Unusable("too many accepted answers", "an object with too many accepted fields")
            return [
                {name: item for name, item in zip(value, chosen, strict=True) if item != ""}
                for chosen in product(*fields)
            ]
        case [*items] if any(isinstance(item, Mapping) for item in items):
            choices = [_expand(item) for item in items]
            if prod(map(len, choices)) > _MAX_VALUES:
                raise Unusable("too many accepted answers", "a list with too many accepted elements")
            return [list(chosen) for chosen in product(*choices)]
    return [value]


def _field(items: Any) -> list[Any]:
    return [one for item in items for one in _expand(item)] if isinstance(items, list) else [items]
