"""The form of a schema-1 line: which fields there are, of which types. What they say is `validity`'s."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from agent.errors import InputError
from agent.transcript import ROLES, SCHEMA, Next, Row
from agent.transcript.rows import Line, row_of
from train.data.checks.validity import Fault

ROLE_TAGS = (*ROLES, "user", "tool")


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Tool(_Form):
    name: Annotated[str, Field(min_length=1)]
    description: str
    parameters: dict[str, Any]


class _Call(_Form):
    name: str
    arguments: dict[str, Any]


class _Accepted(_Form):
    name: str
    arguments: dict[str, list[Any]]
    optional: list[str] = []


class _User(_Form):
    role: Literal["user"]
    content: str


class _Planner(_Form):
    role: Literal["planner"]
    content: str
    next: Next


class _Caller(_Form):
    role: Literal["caller"]
    calls: Annotated[list[_Call], Field(min_length=1)]
    accept: list[_Accepted] = []


class _ToolResult(_Form):
    role: Literal["tool"]
    name: str
    content: str
    error: bool = False


class _Summarizer(_Form):
    role: Literal["summarizer"]
    content: str


_Turn = Annotated[_User | _Planner | _Caller | _ToolResult | _Summarizer, Field(discriminator="role")]


class _Row(_Form):
    version: Literal[1] = Field(alias="schema")
    id: str
    source: str
    split: Literal["train", "valid", "test"]
    instruction: str = ""
    meta: dict[str, Any] = {}
    tools: list[_Tool]
    turns: list[_Turn]


_ROW = TypeAdapter(_Row)


def form_faults(value: Mapping[str, Any]) -> list[Fault]:
    """Every field of a line's object that is missing, unknown or of the wrong type."""
    if value.get("schema") != SCHEMA:
        return [Fault("another schema", "schema", f"{value.get('schema')!r}, where {SCHEMA} should be")]
    try:
        _ROW.validate_python(value)
    except ValidationError as error:
        return [_fault(detail) for detail in error.errors(include_url=False, include_context=True)]
    except RecursionError:
        return [Fault("a wrong type or value", "", "it is nested too deeply")]
    return []


def row_in(line: Line) -> Row:
    """The row in a line. Raises InputError naming the file, the line and what is wrong with its form."""
    row = row_of(line)
    if wrong := form_faults(line.value()):
        raise InputError(f"{line.path}, line {line.number}: {wrong[0]}", "see `umi train data check`")
    return row


def _fault(detail: ErrorDetails) -> Fault:
    path = list(detail["loc"])
    # pydantic puts the role that it went by behind a turn's number.
    if path[:1] == ["turns"] and len(path) > 2 and path[2] in ROLE_TAGS:
        del path[2]
    match detail["type"]:
        case "extra_forbidden":
            return Fault("an unknown field", place(path[:-1]), str(path[-1]))
        case "missing":
            return Fault("a missing field", place(path[:-1]), str(path[-1]))
        case "union_tag_not_found":
            return Fault("a missing field", place(path), "role")
        case "union_tag_invalid":
            return Fault("an unknown role", place(path), repr(detail["input"].get("role"))[:80])
    message = detail["msg"]
    return Fault("a wrong type or value", place(path), message[:1].lower() + message[1:])


def place(path: list[Any]) -> str:
    """A path into JSON as people write it: `turns[2].calls[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
