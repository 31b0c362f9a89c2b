"""Conversion of chat messages to turns of schema 1, shared by all chat-like formats.

An assistant message with calls becomes a planner's and a caller's turn, one with an answer a planner's and a
summarizer's. Its reasoning, and its text beside calls, become the planner's thought, on one line.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from agent.transcript import (
    Call,
    CallerTurn,
    Next,
    PlannerTurn,
    SummarizerTurn,
    ToolTurn,
    Turn,
    UserTurn,
)
from agent.transcript.formats.conversion import UnusableRecordError
from agent.transcript.formats.reading import reject_constant


@dataclass(frozen=True)
class Message:
    """A chat message. The `text` of an assistant is its answer, or its text beside calls."""

    role: Literal["user", "assistant", "tool"]
    text: str = ""
    thought: str = ""
    calls: tuple[Call, ...] = ()
    alone: Next | None = None
    """The hand-over of an assistant that makes only a planner's turn."""
    error: bool = False
    """Whether the call failed, for messages of a tool."""


def turns_of(messages: Iterable[Message]) -> tuple[Turn, ...]:
    """Return the turns of `messages`; their order is not validated.

    Consecutive user messages become one turn, and so do consecutive calls without a result between them. A
    greeting before the first user message, and unanswered user messages at the end, are left out.
    """
    turns: list[Turn] = []
    for message in messages:
        match message.role:
            case "user" if turns and isinstance(turns[-1], UserTurn):
                turns[-1] = UserTurn(f"{turns[-1].content}\n\n{message.text}")
            case "user":
                turns.append(UserTurn(message.text))
            case "tool":
                turns.append(ToolTurn(_called(turns), message.text, message.error))
            case "assistant" if turns or message.calls:
                _assistant(turns, message)
    while turns and isinstance(turns[-1], UserTurn):
        turns.pop()
    return tuple(turns)


def _assistant(turns: list[Turn], message: Message) -> None:
    last = turns[-1] if turns else None
    if message.calls and isinstance(last, CallerTurn):
        turns[-1] = CallerTurn(last.calls + message.calls)
    elif message.calls:
        turns += [planner(f"{message.thought} {message.text}", "caller"), CallerTurn(message.calls)]
    elif message.alone:
        turns.append(planner(message.thought, message.alone))
    else:
        turns += [planner(message.thought, "summarizer"), SummarizerTurn(message.text.strip())]


def _called(turns: list[Turn]) -> str:
    # The result belongs to the first call of the last caller's turn that has no result yet.
    for results, turn in enumerate(reversed(turns)):
        if isinstance(turn, CallerTurn) and results < len(turn.calls):
            return turn.calls[results].name
        if not isinstance(turn, ToolTurn):
            break
    raise UnusableRecordError("results do not match the calls", "a result without a call")


def planner(thought: str, next_: Next) -> PlannerTurn:
    """Return a planner's turn with `thought` on one line."""
    return PlannerTurn(" ".join(thought.split()), next_)


def call_of(value: Any) -> Call:
    """Return the call in an object with `name` and `arguments`, else raise UnusableRecordError."""
    if isinstance(value, Mapping) and isinstance(value.get("function"), Mapping):
        value = value["function"]
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        raise UnusableRecordError("a call that cannot be read", str(value)[:200])
    arguments = next((value[key] for key in ("arguments", "parameters", "args") if key in value), None)
    if isinstance(arguments, str):
        arguments = parse_json_or_literal(arguments) if arguments.strip() else {}
    if not isinstance(arguments, (Mapping, type(None))):
        raise UnusableRecordError(
            "a call that cannot be read", f"the arguments of {value['name']} are not an object"
        )
    return Call(value["name"], dict(arguments or {}))


def parse_json_or_literal(text: str) -> Any:
    """Return the value of JSON, or of a Python literal. Raise UnusableRecordError for other text."""
    try:
        return json.loads(text, strict=False, parse_constant=reject_constant)
    except ValueError:
        pass
    try:
        value = ast.literal_eval(text.strip())
        json.dumps(value)
    except (ValueError, SyntaxError, TypeError, MemoryError):
        raise UnusableRecordError("a call that cannot be read", text.strip()[:200]) from None
    return value


def split_results(text: str, calls: int) -> list[str]:
    """Return the elements of a JSON list with one result a call, else the whole message."""
    if calls > 1:
        try:
            value = json.loads(text)
        except ValueError:
            return [text]
        if isinstance(value, list) and len(value) == calls:
            return [item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) for item in value]
    return [text]
