"""What makes a row valid beyond its form: turns in the loop's order, tools on offer, arguments that fit."""

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

SHOWN = 200
"""Characters of what a JSON Schema's validator says: it repeats the value."""

_OPEN = ("additionalProperties", "patternProperties", "allOf", "anyOf", "oneOf", "$ref")
_FOLLOWS: Mapping[str, type[Turn]] = {"caller": CallerTurn, "summarizer": SummarizerTurn, "give up": UserTurn}


@dataclass(frozen=True)
class Fault:
    """What is wrong with a row: of which kind, where in its JSON (empty: everywhere), and what exactly."""

    kind: str
    where: str
    detail: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.kind, self.detail) if part)


def faults(transcript: Transcript) -> Iterator[Fault]:
    """Everything wrong with `transcript`; of its order only the first, since the rest follows from it."""
    if disorder := order_fault(transcript.turns):
        yield disorder
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
    """The first turn that may not stand where it stands.

    A row may break off after any turn but the first, where its source recorded no more (see `is_unfinished`).
    """
    wanted: type[Turn] = UserTurn
    open_calls: list[str] = []
    for at, turn in enumerate(turns):
        where = f"turns[{at}]"
        if not isinstance(turn, wanted):
            said = f"a turn of the {_role(type(turn))} where one of the {_role(wanted)} should be"
            return Fault("turns out of order", where, said)
        match turn:
            case PlannerTurn(_, next_):
                wanted = _FOLLOWS[next_]
            case CallerTurn(calls):
                open_calls = [call.name for call in calls]
                wanted = ToolTurn
            case ToolTurn(name):
                if name != (called := open_calls.pop(0)):
                    said = f"a result of {name} where that of {called} should be"
                    return Fault("results that do not match the calls", where, said)
                wanted = ToolTurn if open_calls else PlannerTurn
            case _:
                wanted = PlannerTurn if isinstance(turn, UserTurn) else UserTurn
    if len(turns) < 2:
        return Fault("nothing to learn", "turns", "no turn of the planner")
    return None


def is_unfinished(turns: Sequence[Turn]) -> bool:
    """Whether a row in good order breaks off before an answer or the planner's giving up."""
    match turns[-1]:
        case SummarizerTurn() | PlannerTurn(_, "give up"):
            return False
    return True


def call_fault(call: Call, tools: Mapping[str, ToolSpec], where: str) -> Fault | None:
    """What is wrong with a call, were `tools` on offer. Calls of a tool without a sound schema pass."""
    tool = tools.get(call.name)
    if tool is None:
        near = get_close_matches(call.name, tools, n=1)
        said = call.name + (f", did it mean {near[0]}?" if near else "")
        return Fault("a call of a tool that is not listed", where, said)
    text = compact(tool.parameters)
    if schema_fault(text):
        return None
    kind = "arguments that do not fit the tool"
    known = tool.parameters.get("properties", call.arguments)
    strange = [name for name in call.arguments if name not in known]
    # As the caller's grammar reads a schema: beside the properties it lists, none can be written.
    if strange and not any(key in tool.parameters for key in _OPEN):
        return Fault(kind, where, f"{call.name} has no parameter {strange[0]}")
    try:
        error = next(_validator(text).iter_errors(dict(call.arguments)), None)
    except (Unresolvable, RecursionError, re.error) as problem:
        return Fault("parameters that are no JSON Schema", where, f"{call.name}: {_short(problem)}")
    if error is None:
        return None
    path = ".".join(map(str, error.absolute_path))
    return Fault(kind, f"{where}.arguments" + (f".{path}" if path else ""), _short(error.message))


@lru_cache(maxsize=4096)
def schema_fault(parameters: str) -> str:
    """Why this JSON text is no JSON Schema of type object; empty where it is one."""
    schema = json.loads(parameters)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return _short(error.message)
    except RecursionError:
        return "it is nested too deeply"
    return "" if schema.get("type") == "object" else "its type is not object"


@lru_cache(maxsize=4096)
def _validator(parameters: str) -> Draft202012Validator:
    # An empty registry: a schema that refers to an address must not make this fetch it.
    return Draft202012Validator(json.loads(parameters), registry=Registry())


def _role(turn: type[Any]) -> str:
    return turn.__name__.removesuffix("Turn").lower()


def _short(problem: object) -> str:
    text = " ".join(str(problem).split())
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
