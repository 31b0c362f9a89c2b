"""A conversation as one list of turns: the record every prompt, event and training row is derived from.

This module knows nothing of tokens, models or files. Its JSON form is schema 1, the line format of
training data and of saved conversations.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

SCHEMA = 1

Role = Literal["planner", "caller", "summarizer"]
Next = Literal["caller", "summarizer", "give up"]
ROLES: tuple[Role, ...] = get_args(Role)
ENDINGS: tuple[Next, ...] = get_args(Next)


def compact(value: Any) -> str:
    """`value` as JSON without whitespace, the only spelling of JSON that the models read or write."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class ToolSpec:
    """What a model is told of a tool: `parameters` is a JSON Schema of type object."""

    name: str
    description: str
    parameters: Mapping[str, Any]

    def line(self) -> str:
        """The tool as one compact JSON line."""
        return compact({"name": self.name, "description": self.description, "parameters": self.parameters})


@dataclass(frozen=True)
class Call:
    """One call of a tool, as the caller wrote it."""

    name: str
    arguments: Mapping[str, Any]

    def line(self) -> str:
        """The call as one compact JSON line."""
        return compact({"name": self.name, "arguments": self.arguments})


@dataclass(frozen=True)
class UserTurn:
    """What the person said."""

    content: str


@dataclass(frozen=True)
class PlannerTurn:
    """A one-line thought and whom the planner hands over to."""

    content: str
    next: Next


@dataclass(frozen=True)
class Accepted:
    """What counts as right for one call: the values accepted for each parameter, several where several are.

    A parameter that is not in `arguments` must not be given; one in `optional` may be left out.
    """

    name: str
    arguments: Mapping[str, Sequence[Any]]
    optional: tuple[str, ...] = ()

    def takes(self, call: Call) -> bool:
        """Whether `call` is one of the accepted ones."""
        if call.name != self.name or not call.arguments.keys() <= self.arguments.keys():
            return False
        return all(
            any(same_value(call.arguments[parameter], value) for value in values)
            if parameter in call.arguments
            else parameter in self.optional
            for parameter, values in self.arguments.items()
        )


@dataclass(frozen=True)
class CallerTurn:
    """The calls of one step; several are independent of each other.

    `accept`, where it is not empty, holds one entry a call: the answers that a test takes for right.
    """

    calls: tuple[Call, ...]
    accept: tuple[Accepted, ...] = ()

    def __post_init__(self) -> None:
        if self.accept and len(self.accept) != len(self.calls):
            raise ValueError(f"{len(self.accept)} accepted answers stand beside {len(self.calls)} calls")

    def matched_by(self, calls: Sequence[Call]) -> bool:
        """Whether `calls` are right, in whatever order: each is taken by an accepted answer of its own.

        Without `accept` only the turn's own calls are.
        """
        accept = self.accept or tuple(
            Accepted(call.name, {name: [value] for name, value in call.arguments.items()})
            for call in self.calls
        )
        return len(calls) == len(accept) and _paired(calls, accept)


@dataclass(frozen=True)
class ToolTurn:
    """One observation; `content` is without the `error: ` that the prompt shows when `error` is set."""

    name: str
    content: str
    error: bool = False


@dataclass(frozen=True)
class SummarizerTurn:
    """The answer the person reads."""

    content: str


Turn = UserTurn | PlannerTurn | CallerTurn | ToolTurn | SummarizerTurn


@dataclass(frozen=True)
class Transcript:
    """Tools on offer, an optional standing instruction, and the turns so far; `plus` makes a longer one."""

    tools: tuple[ToolSpec, ...] = ()
    turns: tuple[Turn, ...] = ()
    instruction: str = ""

    def plus(self, *turns: Turn) -> Transcript:
        """A transcript with `turns` appended."""
        return replace(self, turns=self.turns + turns)


@dataclass(frozen=True)
class Row:
    """A transcript with where it came from: one line of a schema-1 file."""

    id: str
    source: str
    split: str
    transcript: Transcript
    meta: Mapping[str, Any] = field(default_factory=dict)


def same_value(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: 5 is 5.0, but 1 is not true."""
    match one, other:
        case (Mapping(), Mapping()):
            return one.keys() == other.keys() and all(same_value(one[key], other[key]) for key in one)
        case ([*ones], [*others]):
            return len(ones) == len(others) and all(map(same_value, ones, others))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _paired(calls: Sequence[Call], accept: Sequence[Accepted]) -> bool:
    # Kuhn's augmenting paths: greedy pairing fails where one call is taken by several answers.
    taken: dict[int, int] = {}

    def place(call: int, tried: set[int]) -> bool:
        for at, answer in enumerate(accept):
            if at not in tried and answer.takes(calls[call]):
                tried.add(at)
                if at not in taken or place(taken[at], tried):
                    taken[at] = call
                    return True
        return False

    return all(place(call, set()) for call in range(len(calls)))


def planner_text(content: str, next_: Next) -> str:
    """A planner turn as the models see it: the thought, then whom it hands over to."""
    return f"{content}\nNext: {next_}" if content else f"Next: {next_}"


def parse_planner(text: str) -> PlannerTurn | None:
    """The planner turn in `text`, or None where the last line is none of the three endings."""
    thought, _, last = text.rpartition("\n")
    for ending in ENDINGS:
        if last == f"Next: {ending}":
            return PlannerTurn(" ".join(thought.split()), ending)
    return None


def parse_calls(text: str) -> tuple[Call, ...] | None:
    """The calls in `text`, one JSON object a line, or None where a line is not a call."""
    calls = []
    for line in text.split("\n"):
        try:
            value = json.loads(line)
        except ValueError:
            return None
        if not isinstance(value, dict) or set(value) != {"name", "arguments"}:
            return None
        if not isinstance(value["name"], str) or not isinstance(value["arguments"], dict):
            return None
        calls.append(Call(value["name"], value["arguments"]))
    return tuple(calls)


def turn_to_json(turn: Turn) -> dict[str, Any]:
    """A turn as it stands in a schema-1 row."""
    match turn:
        case UserTurn(content):
            return {"role": "user", "content": content}
        case PlannerTurn(content, next_):
            return {"role": "planner", "content": content, "next": next_}
        case CallerTurn(calls, accept):
            rows = [{"name": call.name, "arguments": dict(call.arguments)} for call in calls]
            answers = [
                {"name": one.name, "arguments": dict(one.arguments), "optional": list(one.optional)}
                for one in accept
            ]
            return {"role": "caller", "calls": rows} | ({"accept": answers} if answers else {})
        case ToolTurn(name, content, error):
            return {"role": "tool", "name": name, "content": content, "error": error}
        case SummarizerTurn(content):
            return {"role": "summarizer", "content": content}


def turn_from_json(row: Mapping[str, Any]) -> Turn:
    """The turn in one element of `turns`. Raises ValueError naming the field that is wrong."""
    role = row.get("role")
    try:
        match role:
            case "user":
                return UserTurn(_text(row, "content"))
            case "planner":
                if row["next"] not in ENDINGS:
                    raise ValueError(f"next is {row['next']!r}, not one of {', '.join(ENDINGS)}")
                return PlannerTurn(_text(row, "content"), row["next"])
            case "caller":
                calls = tuple(Call(_text(call, "name"), dict(call["arguments"])) for call in row["calls"])
                if not calls:
                    raise ValueError("calls is empty")
                return CallerTurn(calls, tuple(_accepted(answer) for answer in row.get("accept", ())))
            case "tool":
                return ToolTurn(_text(row, "name"), _text(row, "content"), bool(row.get("error", False)))
            case "summarizer":
                return SummarizerTurn(_text(row, "content"))
    except KeyError as error:
        raise ValueError(f"a {role} turn lacks {error.args[0]!r}") from None
    except TypeError:
        raise ValueError(f"a {role} turn has a field of the wrong type") from None
    raise ValueError(f"a turn has the role {role!r}")


def _accepted(row: Mapping[str, Any]) -> Accepted:
    arguments, optional = dict(row["arguments"]), row.get("optional", [])
    for name, values in arguments.items():
        if not isinstance(values, list):
            raise ValueError(f"the accepted values of {name} are not a list")
    if not isinstance(optional, list) or not set(optional) <= arguments.keys():
        raise ValueError("optional names a parameter that accept does not hold")
    return Accepted(_text(row, "name"), arguments, tuple(optional))


def _text(row: Mapping[str, Any], key: str) -> str:
    if not isinstance(row[key], str):
        raise ValueError(f"{key} is not text")
    return row[key]


def row_to_json(row: Row) -> dict[str, Any]:
    """A schema-1 row as a JSON object."""
    tools = [
        {"name": t.name, "description": t.description, "parameters": t.parameters}
        for t in row.transcript.tools
    ]
    value: dict[str, Any] = {"schema": SCHEMA, "id": row.id, "source": row.source, "split": row.split}
    if row.transcript.instruction:
        value["instruction"] = row.transcript.instruction
    if row.meta:
        value["meta"] = dict(row.meta)
    return value | {"tools": tools, "turns": [turn_to_json(turn) for turn in row.transcript.turns]}


def row_from_json(value: Mapping[str, Any]) -> Row:
    """The row in a JSON object of schema 1. Raises ValueError naming what is wrong."""
    if value.get("schema") != SCHEMA:
        raise ValueError(f"schema is {value.get('schema')!r}, not {SCHEMA}")
    for key in ("id", "source", "split", "tools", "turns"):
        if key not in value:
            raise ValueError(f"the row lacks {key!r}")
    for key in ("id", "source", "split"):
        if not isinstance(value[key], str):
            raise ValueError(f"{key} is not text")
    for key in ("tools", "turns"):
        if not isinstance(value[key], list) or not all(isinstance(item, dict) for item in value[key]):
            raise ValueError(f"{key} is not a list of objects")
    tools: Sequence[Mapping[str, Any]] = value["tools"]
    try:
        specs = tuple(ToolSpec(t["name"], t["description"], t["parameters"]) for t in tools)
    except KeyError:
        raise ValueError("a tool lacks name, description or parameters") from None
    turns = tuple(turn_from_json(turn) for turn in value["turns"])
    transcript = Transcript(specs, turns, value.get("instruction", ""))
    return Row(value["id"], value["source"], value["split"], transcript, value.get("meta", {}))
