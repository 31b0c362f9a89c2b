"""Single-turn rows of the Berkeley Function-Calling Leaderboard: questions, and the answers accepted.

    BFCL_v4_NAME.json                   {"id", "question": [[message, …]], "function": […]}
    possible_answer/BFCL_v4_NAME.json   {"id", "ground_truth": [{tool: {parameter: [accepted, …]}}, …]}

`""` among the accepted values of a parameter says that it may be left out. In a file of irrelevance no tool
can do what is asked; in one of relevance some tool can, and no answer says which, so such a row ends with
the planner. All rows are a test set's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from agent.transcript import Accepted, Call, CallerTurn, ToolSpec, Turn
from train.data.importers.common.dialogue import Message, planner, turns_of
from train.data.importers.common.draft import Draft, Outcome, Unusable, listed, mapping, outcomes, text
from train.data.importers.common.reading import Record, Unreadable, read_records
from train.data.importers.common.schemas import tools_of

ANSWERS = "possible_answer"
_MOST = 256
"""Spelled-out values of one parameter; the leaderboard's largest has 128."""


def read(path: Path, records: Iterable[Record | Unreadable]) -> Iterator[tuple[Record | Unreadable, Outcome]]:
    """The rows of a file of questions; a file of answers has none of its own."""
    if path.parent.name == ANSWERS:
        return
    answers: dict[str, Any] = {}
    name = path.name.removesuffix(".gz")
    for beside in filter(Path.is_file, (path.parent / ANSWERS / name, path.parent / ANSWERS / f"{name}.gz")):
        for record in read_records(beside):
            if isinstance(record, Record) and isinstance(record.value, Mapping):
                answers[str(record.value.get("id"))] = record.value.get("ground_truth")
    for record in records:
        for outcome in outcomes(record, partial(convert, kind=path.name, answers=answers)):
            yield record, outcome


def convert(value: Mapping[str, Any], *, kind: str, answers: Mapping[str, Any]) -> Iterator[Outcome]:
    """The one row of a question; `kind` is the file's name."""
    own_id = str(value.get("id", ""))
    tools = tools_of(value.get("function"))
    instruction, asked = _asked(value.get("question"))
    truth = value.get("ground_truth", answers.get(own_id))
    if truth:
        turns: tuple[Turn, ...] = (planner("", "caller"), _answer(truth, tools))
    elif "irrelevance" in kind:
        turns = (planner("", "give up"),)
    elif "relevance" in kind:
        turns = (planner("", "caller"),)
    else:
        raise Unusable("no answer", f"{ANSWERS}/{kind} holds none for {own_id or 'it'}")
    yield Draft(tools, (*asked, *turns), instruction, own_id, is_test=True)


def _asked(question: Any) -> tuple[str, tuple[Turn, ...]]:
    rounds = listed(question, "question")
    if len(rounds) != 1:
        raise Unusable("several turns", "only single-turn questions can be imported")
    items = [mapping(item, "a message") for item in listed(rounds[0], "question")]
    said = [(item.get("role"), text(item.get("content"), "a message")) for item in items]
    system = "\n\n".join(content for role, content in said if role == "system")
    before = [Message("user" if role == "user" else "assistant", c) for role, c in said if role != "system"]
    # turns_of leaves out what nobody answers, and here the answer comes after.
    return system, turns_of([*before, Message("assistant", alone="caller")])[:-1]


def _answer(truth: Any, tools: tuple[ToolSpec, ...]) -> CallerTurn:
    needed = {tool.name: tool.parameters.get("required", []) for tool in tools}
    calls, accept = [], []
    for entry in listed(truth, "ground_truth"):
        for name, parameters in mapping(entry, "ground_truth").items():
            given = mapping(parameters, "ground_truth").items()
            values = {parameter: spelled_out(listed(items, "accepted values")) for parameter, items in given}
            optional = [p for p, items in given if "" in items and p not in needed.get(name, [])]
            first = {p: items[0] for p, items in values.items() if items and p not in optional}
            calls.append(Call(name, first))
            accept.append(Accepted(name, values, tuple(optional)))
    if not calls:
        raise Unusable("no answer", "ground_truth names no tool")
    return CallerTurn(tuple(calls), tuple(accept))


def spelled_out(accepted: list[Any]) -> list[Any]:
    """The values that a list accepts, each in full; the `""` that stands for leaving out is last, if there.

    Within an object, and within a list of objects, each field lists its accepted values again.
    """
    values = [full for value in accepted if value != "" for full in _full(value)]
    if len(values) > _MOST:
        raise Unusable("too many accepted answers", f"{len(values)} values of one parameter")
    return values + [""] * ("" in accepted)


def _full(value: Any) -> list[Any]:
    match value:
        case Mapping():
            fields = [_field(items) for items in value.values()]
            if prod(map(len, fields)) > _MOST:
                raise Unusable("too many accepted answers", "an object with too many accepted fields")
            return [
                {name: item for name, item in zip(value, chosen, strict=True) if item != ""}
                for chosen in product(*fields)
            ]
        case [*items] if any(isinstance(item, Mapping) for item in items):
            choices = [_full(item) for item in items]
            if prod(map(len, choices)) > _MOST:
                raise Unusable("too many accepted answers", "a list with too many accepted elements")
            return [list(chosen) for chosen in product(*choices)]
    return [value]


def _field(items: Any) -> list[Any]:
    return [full for item in items for full in _full(item)] if isinstance(items, list) else [items]
