"""Requests for a chat completion: the fields that umi obeys, checked one by one.

Fields that are not named here (`temperature`, `seed`, …) are accepted and have no effect; those that would
change the form of what the client gets back (`n`, `logprobs`, …) are refused where they ask for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from agent.paths import parse_json
from agent.transcript import ToolSpec, compact
from agent.transcript.validation import InvalidFieldsError, validate
from serve.errors import RequestError
from serve.tool_schemas import fit

MODEL = "umi"
MOST_BYTES = 4 << 20
"""Of a request's body."""
MOST_MESSAGES = 1000
MOST_TOOLS = 128
MOST_CALLS = 128
"""In one message."""
MOST_STOPS = 64
"""Of the texts that end an answer: editors send every end marker that they know."""
DEEPEST = 64
"""Objects and lists in one another; a tool's schema is walked recursively."""
SHOWN = 80
"""Characters of a client's text that a message repeats."""

_REFUSED: Mapping[str, tuple[Any, ...]] = {
    "n": (None, 1),
    "logprobs": (None, False),
    "response_format": (None, {"type": "text"}),
    "functions": (None, []),
    "function_call": (None,),
    "audio": (None,),
    "modalities": (None, ["text"]),
    "web_search_options": (None,),
}
"""Fields that are accepted with these values only."""

_ALLOW = ConfigDict(extra="ignore")
_FIRST = Field(fail_fast=True)
"""Of a list with a million wrong entries the first one is told; finding all took minutes."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class TextPart:
    """A part of a message's content."""

    __pydantic_config__: ClassVar = _ALLOW

    type: Literal["text"]
    text: str


@dataclass(frozen=True)
class FunctionCall:
    """The function of a call, with its arguments as JSON text."""

    __pydantic_config__: ClassVar = _ALLOW

    name: str
    arguments: str = "{}"


@dataclass(frozen=True)
class ToolCall:
    """A call in a message of the assistant."""

    __pydantic_config__: ClassVar = _ALLOW

    id: str
    function: FunctionCall
    type: Literal["function"] | None = "function"


@dataclass(frozen=True)
class Message:
    """A message of the conversation."""

    __pydantic_config__: ClassVar = _ALLOW

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | Annotated[tuple[TextPart, ...], _FIRST] | None = None
    tool_calls: Annotated[tuple[ToolCall, ...], Field(max_length=MOST_CALLS), _FIRST] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None

    @property
    def text(self) -> str:
        """The content as one text."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content or ())


@dataclass(frozen=True)
class Function:
    """A function that the client offers; `parameters` is a JSON Schema."""

    __pydantic_config__: ClassVar = _ALLOW

    name: str
    description: str | None = None
    parameters: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class OfferedTool:
    """A tool that the client offers."""

    __pydantic_config__: ClassVar = _ALLOW

    type: Literal["function"]
    function: Function


@dataclass(frozen=True)
class NamedFunction:
    """The name of the function that must be called."""

    __pydantic_config__: ClassVar = _ALLOW

    name: str


@dataclass(frozen=True)
class NamedTool:
    """The tool that must be called."""

    __pydantic_config__: ClassVar = _ALLOW

    type: Literal["function"]
    function: NamedFunction


@dataclass(frozen=True)
class StreamOptions:
    """What a stream holds beside the answer."""

    __pydantic_config__: ClassVar = _ALLOW

    include_usage: bool | None = None


@dataclass(frozen=True)
class ChatRequest:
    """A request for a chat completion."""

    __pydantic_config__: ClassVar = _ALLOW

    messages: Annotated[tuple[Message, ...], Field(min_length=1, max_length=MOST_MESSAGES), _FIRST]
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: Annotated[tuple[OfferedTool, ...], Field(max_length=MOST_TOOLS), _FIRST] | None = None
    tool_choice: Literal["auto", "none", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    stop: str | Annotated[tuple[str, ...], Field(max_length=MOST_STOPS), _FIRST] | None = None
    max_tokens: Annotated[int, Field(ge=-1)] | None = None
    """-1 stands for no limit, as for servers on llama.cpp."""
    max_completion_tokens: Annotated[int, Field(ge=-1)] | None = None
    user: str | None = None

    @property
    def most_tokens(self) -> int | None:
        """The tokens of an answer, at most; None where the bundle's own limit is the only one."""
        most = self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens
        return None if most == -1 else most

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts that end an answer."""
        return tuple(filter(None, (self.stop,) if isinstance(self.stop, str) else self.stop or ()))

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """The tools that the client offers, sorted by name; none with the tool choice `none`.

        Raise RequestError where no grammar can be made of the parameters of one.
        """
        if self.tool_choice == "none":
            return ()
        specs = (_spec(tool.function) for tool in self.tools or ())
        return tuple(sorted(specs, key=lambda spec: spec.name))

    @property
    def demanded(self) -> str | None:
        """The name of the tool that must be called, empty where any will do; None where none must be."""
        if isinstance(self.tool_choice, NamedTool):
            return self.tool_choice.function.name
        return "" if self.tool_choice == "required" else None


def parse_request(body: bytes) -> ChatRequest:
    """Return the request in `body`. Raise RequestError naming the first field that cannot be used."""
    try:
        value = parse_json(body)
    except UnicodeEncodeError:
        raise RequestError(400, "the body has half of a surrogate pair", "invalid_json") from None
    except ValueError as error:
        raise RequestError(400, f"the body is not JSON: {error}", "invalid_json") from None
    if _is_deep(value):
        raise RequestError(400, f"the body is nested more than {DEEPEST} deep", "invalid_json")
    if not isinstance(value, dict):
        raise RequestError(400, "the body is not a JSON object", "invalid_json")
    for name, accepted in _REFUSED.items():
        if value.get(name) not in accepted:
            raise RequestError(400, f"umi cannot do {name}; leave it out", "unsupported_value", name)
    for name, most in (("messages", MOST_MESSAGES), ("tools", MOST_TOOLS)):
        given = value.get(name)
        if isinstance(given, list) and len(given) > most:
            message = f"{name} has {len(given)} entries and umi takes {most}"
            raise RequestError(400, message, "array_above_max_length", name)
    if kind := _kind_beside_text(value.get("messages")):
        raise RequestError(
            400, f"umi reads text alone, and a message has {kind}", "invalid_value", "messages"
        )
    try:
        request = validate(ChatRequest, value)
    except InvalidFieldsError as invalid:
        first = invalid.errors[0]
        raise RequestError(400, str(first), "invalid_value", first.name) from None
    _check(request)
    return request


def parse_arguments(text: str) -> dict[str, Any] | None:
    """Return the arguments of a call; None where they are no JSON object that a body may hold."""
    try:
        value = parse_json(text or "{}")
    except ValueError:
        return None
    return value if isinstance(value, dict) and not _is_deep(value) else None


def _check(request: ChatRequest) -> None:
    if 0 in (request.max_tokens, request.max_completion_tokens):
        raise RequestError(400, "an answer has at least one token", "invalid_value", "max_tokens")
    if request.model not in (None, MODEL):
        message = f"there is no model {request.model[:SHOWN]!r}; the model is {MODEL}"
        raise RequestError(404, message, "model_not_found")
    names = [tool.function.name for tool in request.tools or ()]
    if wrong := next((name for name in names if not _NAME.fullmatch(name)), None):
        message = f"the name of a tool has 1 to 64 letters, digits, _ and -; {wrong[:SHOWN]!r} has not"
        raise RequestError(400, message, "invalid_value", "tools")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise RequestError(400, f"two tools are called {twice}", "invalid_value", "tools")
    if request.demanded is not None and not names:
        raise RequestError(
            400, "tool_choice demands a call and there are no tools", "invalid_value", "tool_choice"
        )
    if request.demanded and request.demanded not in names:
        message = f"tool_choice names {request.demanded[:SHOWN]!r}, which is none of the tools"
        raise RequestError(400, message, "invalid_value", "tool_choice")


def _kind_beside_text(messages: Any) -> str:
    """Return the type of the first part of a message that is no text; empty where there is none."""
    for message in messages if isinstance(messages, list) else ():
        parts = message.get("content") if isinstance(message, dict) else None
        for part in parts if isinstance(parts, list) else ():
            kind = part.get("type") if isinstance(part, dict) else None
            if isinstance(kind, str) and kind != "text":
                return kind[:SHOWN]
    return ""


def _is_deep(value: Any) -> bool:
    """Return whether objects and lists stand in one another more than DEEPEST deep."""
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            item
            for outer in level
            if isinstance(outer, (dict, list))
            for item in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)


def _spec(function: Function) -> ToolSpec:
    """Return a tool as models read it. Raise RequestError where no grammar can be made of its parameters."""
    parameters = {"type": "object", "properties": {}} | dict(function.parameters or {})
    description = " ".join((function.description or "").split())
    return replace(fit(function.name, compact(parameters)), description=description)
