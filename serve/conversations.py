"""Messages of a client as a transcript: what is remembered of earlier answers, the rest built anew.

A client sends the whole conversation with each request, but sees neither thoughts nor the calls and results
of umi's own tools. So the transcript of each answer is kept under a hash of the messages up to it: a request
that goes on from there finds it, and the models then read what they read before. Of a conversation that is
not remembered, the messages become turns without thoughts.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.prompting import segment
from agent.tools.lib.output import page_text
from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
    SummarizerTurn,
    ToolTurn,
    Turn,
    UserTurn,
    compact,
)
from serve.errors import RequestError
from serve.requests import SHOWN, Message, parse_arguments

_INSTRUCTING = ("system", "developer")
_LEAST_OF_TURN = 4
"""Tokens of a turn's markers, at least."""
_LONGEST_TOKEN = 64
"""Characters that one token stands for, at most: vocabularies have long runs of one character."""


@dataclass(frozen=True)
class Remembered:
    """The turns of a conversation, and whether the models read text from outside in it."""

    turns: tuple[Turn, ...]
    untrusted: bool


class Memory:
    """The last `size` conversations, by a hash of their messages."""

    def __init__(self, size: int = 256) -> None:
        self._size = size
        self._kept: OrderedDict[str, Remembered] = OrderedDict()

    def keep(self, tools: str, messages: Iterable[Message], remembered: Remembered) -> None:
        """Remember a conversation that these messages tell, over tools that `tools` stands for."""
        *_, (_, key) = _keys(tools, messages)
        self._kept[key] = remembered
        self._kept.move_to_end(key)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)

    def find(self, tools: str, messages: Sequence[Message]) -> tuple[Remembered, int]:
        """Return what is known of the longest beginning of `messages`, and how many of them it holds."""
        found = Remembered((), False), 0
        for count, key in _keys(tools, messages):
            if key in self._kept:
                self._kept.move_to_end(key)
                found = self._kept[key], count
        return found


def instruction_of(messages: Iterable[Message]) -> str:
    """Return the texts of the system messages."""
    return "\n\n".join(message.text.strip() for message in messages if message.role in _INSTRUCTING)


def without_instructions(messages: Iterable[Message]) -> list[Message]:
    """Return the messages of the conversation itself."""
    return [message for message in messages if message.role not in _INSTRUCTING]


def recall(memory: Memory, tools: str, messages: Sequence[Message]) -> Remembered:
    """Return the turns of `messages`. Raise RequestError where a call has no result, or a result no call."""
    found, count = memory.find(tools, messages)
    turns = list(found.turns)
    for message in messages[count:]:
        _append(turns, message)
    pending = _unanswered(turns)
    if pending:
        raise RequestError(
            400, f"the call of {pending[0][:SHOWN]} has no result", "invalid_value", "messages"
        )
    strangers = any(message.role != "user" for message in messages[count:])
    return Remembered(tuple(turns), found.untrusted or strangers)


def calls_of(message: Message) -> tuple[Call, ...]:
    """Return the calls in a message of the assistant. Raise RequestError where one cannot be read."""
    calls = []
    for call in message.tool_calls or ():
        arguments = parse_arguments(call.function.arguments)
        if arguments is None:
            what = f"the arguments of {call.function.name[:SHOWN]} are not a JSON object"
            raise RequestError(400, what, "invalid_value", "messages")
        calls.append(Call(call.function.name, arguments))
    return tuple(calls)


def least_tokens(*texts: str) -> int:
    """Return a number of tokens that turns of these texts have at least."""
    return sum(_LEAST_OF_TURN + len(text) // _LONGEST_TOKEN for text in texts)


def latest(turns: Sequence[Turn], most_tokens: int) -> tuple[Turn, ...]:
    """Return the last exchanges of `turns`, without those that certainly do not fit into `most_tokens`.

    It takes time in proportion to the turns; the loop, which drops exactly as many as it must, tokenizes all
    that are left for each that it drops.
    """
    kept, room = len(turns), most_tokens
    for at in range(len(turns) - 1, -1, -1):
        room -= least_tokens(segment(turns[at]).content)
        if room < 0:
            break
        if isinstance(turns[at], UserTurn):
            kept = at
    return tuple(turns[kept:])


def _append(turns: list[Turn], message: Message) -> None:
    """Append what `message` says as turns."""
    last = turns[-1] if turns else None
    if message.role == "user":
        if isinstance(last, UserTurn):
            turns[-1] = UserTurn(f"{last.content}\n\n{message.text.strip()}")
        elif message.text.strip():
            turns.append(UserTurn(message.text.strip()))
    elif message.role == "tool":
        pending = _unanswered(turns)
        if not pending:
            raise RequestError(400, "a result answers no call", "invalid_value", "messages")
        turns.append(ToolTurn(pending[0], page_text(message.text)))
    elif calls := calls_of(message):
        thought = " ".join((message.reasoning_content or message.text).split())
        turns += [PlannerTurn(thought, "caller"), CallerTurn(calls)]
    elif turns:  # a greeting before the first question has no place in a transcript
        turns += [PlannerTurn("", "summarizer"), SummarizerTurn(message.text.strip())]


def _unanswered(turns: Sequence[Turn]) -> list[str]:
    """Return the names of the calls at the end of `turns` that have no result."""
    for results, turn in enumerate(reversed(turns)):
        if isinstance(turn, CallerTurn):
            return [call.name for call in turn.calls[results:]]
        if not isinstance(turn, ToolTurn):
            break
    return []


def in_call_order(messages: Sequence[Message]) -> list[Message]:
    """Return `messages` with the results of each step in the order of its calls.

    Raise RequestError for a result of a call that was not made.
    """
    ordered: list[Message] = []
    order: Mapping[str, int] = {}
    start = 0
    for message in messages:
        if message.role == "assistant" and message.tool_calls:
            order = {call.id: at for at, call in enumerate(message.tool_calls)}
            start = len(ordered) + 1
        elif message.role == "tool" and message.tool_call_id not in order:
            what = f"no call before this result has the id {(message.tool_call_id or '')[:SHOWN]!r}"
            raise RequestError(400, what, "invalid_value", "messages")
        ordered.append(message)
        if message.role == "tool":
            ordered[start:] = sorted(
                ordered[start:], key=lambda result: order.get(result.tool_call_id or "", 0)
            )
    return ordered


def _keys(tools: str, messages: Iterable[Message]) -> Iterator[tuple[int, str]]:
    """Yield for every beginning of `messages` how many it has, and its key."""
    digest = hashlib.sha256(tools.encode("utf-8", "surrogatepass"))
    for count, message in enumerate(messages, 1):
        digest.update(compact(_essence(message)).encode("utf-8", "surrogatepass"))
        yield count, digest.copy().hexdigest()


def _essence(message: Message) -> list[Any]:
    """Return what tells one message from another, however a client writes it."""
    functions = [call.function for call in message.tool_calls or ()]
    calls = [[function.name, parse_arguments(function.arguments)] for function in functions]
    return [message.role, message.text.strip(), calls]
