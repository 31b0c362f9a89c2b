"""From the messages of a chat to our turns: what every chat-like format shares.

An assistant that calls makes a planner's turn and a caller's; one that answers makes a planner's and a
summarizer's. What it thought, or said beside its calls, is the planner's thought, on one line.
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
from train.data.importers.common.draft import Unusable
from train.data.importers.common.reading import refuse_constant


@dataclass(frozen=True)
class Message:
    """One message. An assistant's `text` is its answer, or what it says beside its calls."""

    role: Literal["user", "assistant", "tool"]
    text: str = ""
    thought: str = ""
    calls: tuple[Call, ...] = ()
    alone: Next | None = None
    """Of an assistant that only hands over, or gives up: the planner's turn stands alone."""
    error: bool = False
    """Of a tool's message: whether the call failed."""


def turns_of(messages: Iterable[Message]) -> tuple[Turn, ...]:
    """The turns that `messages` make; their order is not checked.

    Messages of the user that follow each other are one turn, and so are calls without a result between them.
    A greeting before the user's first message and a message of the user that nobody answers are left out.
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
    # The result belongs to the first call of the last caller's turn that has none yet.
    for results, turn in enumerate(reversed(turns)):
        if isinstance(turn, CallerTurn) and results < len(turn.calls):
            return turn.calls[results].name
        if not isinstance(turn, ToolTurn):
            break
    raise Unusable("results do not match the calls", "a result without a call")


def planner(thought: str, next_: Next) -> PlannerTurn:
    """A planner's turn with `thought` on one line."""
    return PlannerTurn(" ".join(thought.split()), next_)


def call_of(value: Any) -> Call:
    """A call in an object with a name and arguments, which may be JSON text. Raises Unusable for others."""
    if isinstance(value, Mapping) and isinstance(value.get("function"), Mapping):
        value = value["function"]
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        raise Unusable("a call that cannot be read", str(value)[:200])
    arguments = next((value[key] for key in ("arguments", "parameters", "args") if key in value), None)
    if isinstance(arguments, str):
        arguments = loose_json(arguments) if arguments.strip() else {}
    if not isinstance(arguments, (Mapping, type(None))):
        raise Unusable("a call that cannot be read", f"the arguments of {value['name']} are not an object")
    return Call(value["name"], dict(arguments or {}))


def loose_json(text: str) -> Any:
    """The value of JSON, or of a Python literal where `text` is none. Raises Unusable for other text."""
    try:
        return json.loads(text, strict=False, parse_constant=refuse_constant)
    except ValueError:
        pass
    try:
        value = ast.literal_eval(text.strip())
        json.dumps(value)
    except (ValueError, SyntaxError, TypeError, MemoryError):
        raise Unusable("a call that cannot be read", text.strip()[:200]) from None
    return value


def spread_results(text: str, calls: int) -> list[str]:
    """The results in one message: one, or as many as there are calls where it is a JSON list of so many."""
    if calls > 1:
        try:
            value = json.loads(text)
        except ValueError:
            return [text]
        if isinstance(value, list) and len(value) == calls:
            return [item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) for item in value]
    return [text]
