"""Semantic validation of a transcript: order of turns, offered tools, arguments against their schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable

from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
    SummarizerTurn,
    ToolSpec,
    ToolTurn,
    Transcript,
    Turn,
    UserTurn,
    compact,
)

MAX_MESSAGE = 200
"""Maximum length in characters of a message of the JSON Schema validator, which repeats the value."""

_OPEN_KEYWORDS = ("additionalProperties", "patternProperties", "allOf", "anyOf", "oneOf", "$ref")
_FOLLOWS: Mapping[str, type[Turn]] = {"caller": CallerTurn, "summarizer": SummarizerTurn, "give up": UserTurn}


@dataclass(frozen=True)
class Fault:
    """A fault of a row: its kind, its place in the JSON (empty for the whole row), and details."""

    kind: str
    where: str
    detail: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.kind, self.detail) if part)


def faults(transcript: Transcript) -> Iterator[Fault]:
    """Yield all faults of `transcript`, but only the first in the order of turns: others follow from it."""
    if fault := order_fault(transcript.turns):
        yield fault
    tools: dict[str, ToolSpec] = {}
    for at, tool in enumerate(transcript.tools):
        if tools.setdefault(tool.name, tool) is not tool:
            yield Fault("two tools of one name", f"tools[{at}]", tool.name)
        if message := schema_fault(compact(tool.parameters)):
            yield Fault("parameters that are no JSON Schema", f"tools[{at}].parameters", message)
    for at, turn in enumerate(transcript.turns):
        where = f"turns[{at}]"
        match turn:
            case UserTurn(content) | SummarizerTurn(content) if not content.strip():
                yield Fault("an empty message", where, "")
            case PlannerTurn(content) if "\n" in content:
                yield Fault("a thought of several lines", where, "")
            case CallerTurn(calls):
                for index, call in enumerate(calls):
                    if fault := call_fault(call, tools, f"{where}.calls[{index}]"):
                        yield fault
                if turn.accept and not turn.matched_by(calls):
                    yield Fault("calls that `accept` does not take", where, "")


def order_fault(turns: Sequence[Turn]) -> Fault | None:
    """Return the fault of the first turn that violates the order of turns, None if there is none.

    A row may end after any turn but the first, if its source recorded no more (see `is_unfinished`).
    """
    expected: type[Turn] = UserTurn
    pending_calls: list[str] = []
    for at, turn in enumerate(turns):
        where = f"turns[{at}]"
        if not isinstance(turn, expected):
            detail = f"a turn of the {_role(type(turn))} where one of the {_role(expected)} should be"
            return Fault("turns out of order", where, detail)
        match turn:
            case PlannerTurn(_, next_):
                expected = _FOLLOWS[next_]
            case CallerTurn(calls):
                pending_calls = [call.name for call in calls]
                expected = ToolTurn
            case ToolTurn(name):
                if name != (called := pending_calls.pop(0)):
                    detail = f"a result of {name} where that of {called} should be"
                    return Fault("results that do not match the calls", where, detail)
                expected = ToolTurn if pending_calls else PlannerTurn
            case _:
                expected = PlannerTurn if isinstance(turn, UserTurn) else UserTurn
    if len(turns) < 2:
        return Fault("nothing to learn", "turns", "no turn of the planner")
    return None


def is_unfinished(turns: Sequence[Turn]) -> bool:
    """Return whether a row in valid order ends before an answer or the planner's giving up."""
    match turns[-1]:
        case SummarizerTurn() | PlannerTurn(_, "give up"):
            return False
    return True


def call_fault(call: Call, tools: Mapping[str, ToolSpec], where: str) -> Fault | None:
    """Return the fault of a call if `tools` are offered; None for a tool whose schema is not valid."""
    tool = tools.get(call.name)
    if tool is None:
        near = get_close_matches(call.name, tools, n=1)
        detail = call.name + (f", did it mean {near[0]}?" if near else "")
        return Fault("a call of a tool that is not listed", where, detail)
    text = compact(tool.parameters)
    if schema_fault(text):
        return None
    kind = "arguments that do not fit the tool"
    known = tool.parameters.get("properties", call.arguments)
    unknown = [name for name in call.arguments if name not in known]
    # As in the caller's grammar, which allows no properties but those that the schema lists.
    if unknown and not any(key in tool.parameters for key in _OPEN_KEYWORDS):
        return Fault(kind, where, f"{call.name} has no parameter {unknown[0]}")
    try:
        error = next(_validator(text).iter_errors(dict(call.arguments)), None)
    except (Unresolvable, RecursionError, re.error) as problem:
        return Fault("parameters that are no JSON Schema", where, f"{call.name}: {_shorten(problem)}")
    if error is None:
        return None
    path = ".".join(map(str, error.absolute_path))
    return Fault(kind, f"{where}.arguments" + (f".{path}" if path else ""), _shorten(error.message))


@lru_cache(maxsize=4096)
def schema_fault(parameters: str) -> str:
    """Return the reason why a JSON text is not a JSON Schema of type object; empty if it is one."""
    schema = json.loads(parameters)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return _shorten(error.message)
    except RecursionError:
        return "it is nested too deeply"
    return "" if schema.get("type") == "object" else "its type is not object"


@lru_cache(maxsize=4096)
def _validator(parameters: str) -> Draft202012Validator:
    # An empty registry: a schema that refers to an address must not make this fetch it.
    return Draft202012Validator(json.loads(parameters), registry=Registry())


def _role(turn: type[Any]) -> str:
    return turn.__name__.removesuffix("Turn").lower()


def _shorten(problem: object) -> str:
    text = " ".join(str(problem).split())
    return text if len(text) <= MAX_MESSAGE else f"{text[: MAX_MESSAGE - 1]}…"
