"""Importer of single-turn rows of the Berkeley Function-Calling Leaderboard: questions and accepted answers.

`agent.transcript.formats.bfcl` describes the files. `""` among the accepted values of a parameter means that
it may be omitted. A row of relevance ends with the planner, since no answer says which tool serves. All rows
belong to a test set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from agent.transcript import Accepted, Call, CallerTurn, ToolSpec, Turn
from agent.transcript.formats.bfcl import ANSWERS, kind_of, question_of, read_answers
from agent.transcript.formats.conversion import (
    Conversation,
    Conversion,
    UnusableRecordError,
    convert_record,
    require_list,
    require_object,
)
from agent.transcript.formats.dialogue import planner
from agent.transcript.formats.reading import Record, Unreadable

_MAX_VALUES = 256
"""Maximum number of expanded values of one parameter; the leaderboard has at most 128."""


def convert_records(
    path: Path, records: Iterable[Record | Unreadable]
) -> Iterator[tuple[Record | Unreadable, Conversion]]:
    """Yield the conversations of a file of questions; a file of answers has none."""
    if path.parent.name == ANSWERS:
        return
    answers = read_answers(path)
    for record in records:
        for outcome in convert_record(record, partial(convert, path=path, answers=answers)):
            yield record, outcome


def convert(value: Mapping[str, Any], *, path: Path, answers: Mapping[str, Any]) -> Iterator[Conversion]:
    """Yield the one conversation of a question in the file `path`."""
    question = question_of(value, answers)
    kind = kind_of(path)
    if question.truth:
        turns: tuple[Turn, ...] = (planner("", "caller"), _answer(question.truth, question.tools))
    elif kind == "irrelevance":
        turns = (planner("", "give up"),)
    elif kind == "relevance":
        turns = (planner("", "caller"),)
    else:
        raise UnusableRecordError("no answer", f"{ANSWERS}/{path.name} holds none for {question.id or 'it'}")
    yield Conversation(
        question.tools, (*question.turns, *turns), question.instruction, question.id, is_test=True
    )


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
        raise UnusableRecordError("no answer", "ground_truth names no tool")
    return CallerTurn(tuple(calls), tuple(accept))


def expand_accepted(accepted: list[Any]) -> list[Any]:
    """Return the accepted values of a list, expanded; a `""`, which stands for omission, comes last.

    In an object, and in a list of objects, each field is a list of accepted values again.
    """
    values = [one for value in accepted if value != "" for one in _expand(value)]
    if len(values) > _MAX_VALUES:
        raise UnusableRecordError("too many accepted answers", f"{len(values)} values of one parameter")
    return values + [""] * ("" in accepted)


def _expand(value: Any) -> list[Any]:
    match value:
        case Mapping():
            fields = [_field(items) for items in value.values()]
            if prod(map(len, fields)) > _MAX_VALUES:
                raise UnusableRecordError(
                    "too many accepted answers", "an object with too many accepted fields"
                )
            return [
                {name: item for name, item in zip(value, chosen, strict=True) if item != ""}
                for chosen in product(*fields)
            ]
        case [*items] if any(isinstance(item, Mapping) for item in items):
            choices = [_expand(item) for item in items]
            if prod(map(len, choices)) > _MAX_VALUES:
                raise UnusableRecordError(
                    "too many accepted answers", "a list with too many accepted elements"
                )
            return [list(chosen) for chosen in product(*choices)]
    return [value]


def _field(items: Any) -> list[Any]:
    return [one for item in items for one in _expand(item)] if isinstance(items, list) else [items]
