"""The engine on a server with a stock model: one chat completion whose beginning tells which role it is.

Where the server's reply begins with a call, the planner hands over to the caller, else to the summarizer,
who goes on reading the same reply. The server writes the calls in its model's own markup; the toolbox checks
them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from agent.engine import Delta, Generated, Stop
from agent.errors import ContextFullError
from agent.events import Reading, Usage
from agent.llama.generation import RESERVE
from agent.prompting.call_markup import PLAIN
from agent.prompting.chat_messages import Message, Style, chat_messages
from agent.remote.client import ServerClient
from agent.remote.engine import BYTES_PER_TOKEN
from agent.remote.server import Server
from agent.remote.server_engine import ServerEngine
from agent.transcript import Call, Role, Transcript, compact, planner_text

ASSUMED_CONTEXT = 4096
"""Tokens that a server holds which does not say; Ollama's default."""
LONGEST_REPLY = 512
_MARKUP = re.compile(r"(<(?=\||/?s>|(?:start|end)_of_turn>|/?think>)|\[(?=/?INST\]))")
_STYLE = Style(system=True, results=True, markup=PLAIN)


class ChatServerEngine(ServerEngine):
    """Runs a stock model of a server in all three roles."""

    def __init__(self, client: ServerClient, server: Server) -> None:
        super().__init__(client, server)
        self._reply: tuple[Transcript, _ChatReply] | None = None
        """The reply that the next role goes on reading, and the transcript that it answers."""

    @property
    def context_length(self) -> int:
        """Tokens that a prompt and what is generated after it may take together."""
        return self.server.context_length or ASSUMED_CONTEXT

    @property
    def grounded_answers(self) -> bool:
        """False: a stock model answers from what it knows as well."""
        return False

    @property
    def least_margins(self) -> Mapping[str, float]:
        """None: the server tells no probabilities."""
        return {}

    def count_tokens(self, text: str) -> int:
        """Return an estimate of the tokens that an answer takes."""
        return int(len(text.encode("utf-8", "replace")) / BYTES_PER_TOKEN) + 1

    def room(self, role: Role, transcript: Transcript) -> int:
        """Return an estimate of the tokens left for `role`."""
        sent = compact([*_messages(transcript), *map(_offered, transcript.tools)])
        return self.context_length - self.count_tokens(sent)

    def _generate(
        self, role: Role, transcript: Transcript, cancelled: Callable[[], bool], brief: bool
    ) -> Iterator[Reading | Delta | Generated]:
        if (left := self.room(role, transcript)) < RESERVE:
            raise ContextFullError(self.context_length - left + RESERVE, self.context_length)
        yield Reading(role, 0, self.context_length - left)
        yield from self._turn(role, transcript, cancelled)

    def _turn(
        self, role: Role, transcript: Transcript, cancelled: Callable[[], bool]
    ) -> Iterator[Delta | Generated]:
        if role == "planner":
            reply = _ChatReply(self._request(transcript, "auto", cancelled))
            calls = reply.begins_with_call()
            self._reply = transcript, reply
            text = planner_text("", "caller" if calls else "summarizer")
            if cancelled():
                yield Generated("", "cancelled", Usage())
                return
            yield Delta(text)
            yield Generated(text, "end", Usage())
            return
        reply = self._continued(transcript) or _ChatReply(
            self._request(transcript, "required" if role == "caller" else "none", cancelled)
        )
        for piece in reply.pieces():
            if role == "summarizer":
                yield Delta(piece)
        text = reply.text if role == "summarizer" else "\n".join(call.line() for call in reply.calls())
        stop: Stop = "cancelled" if cancelled() else reply.stop
        yield Generated(text, stop, reply.usage)

    def _continued(self, transcript: Transcript) -> _ChatReply | None:
        """Return the reply that the planner began to read, where `transcript` goes on from there."""
        kept, self._reply = self._reply, None
        return kept[1] if kept and transcript.turns[:-1] == kept[0].turns else None

    def _request(self, transcript: Transcript, choice: str, cancelled: Callable[[], bool]) -> Iterator[Any]:
        body: dict[str, Any] = {
            "model": self.server.models["planner"],
            "messages": _messages(transcript),
            "temperature": 0,
            "max_tokens": LONGEST_REPLY,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if transcript.tools:
            body |= {"tools": list(map(_offered, transcript.listed_tools)), "tool_choice": choice}
        return self._client.stream(f"{self._client.path}/chat/completions", body, cancelled)


class _ChatReply:
    """A reply as it arrives: text, or the parts of calls."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._calls: dict[int, list[str]] = {}
        """Name and arguments by the call's index."""
        self.text = ""
        self.stop: Stop = "end"
        self.usage = Usage()

    def begins_with_call(self) -> bool:
        """Read until the reply has begun; return whether with a call."""
        while not self._calls and not self.text.strip():
            if self._next() is None:
                break
        return bool(self._calls)

    def pieces(self) -> Iterator[str]:
        """Yield the text so far, and the rest as it comes."""
        if self.text:
            yield self.text
        while (piece := self._next()) is not None:
            if piece:
                yield piece

    def calls(self) -> list[Call]:
        """Return the calls; arguments that are not JSON become none, which the toolbox refuses."""
        made = []
        for _, (name, arguments) in sorted(self._calls.items()):
            try:
                value = json.loads(arguments or "{}")
            except ValueError:
                value = {}
            made.append(Call(name, value if isinstance(value, dict) else {}))
        return made

    def _next(self) -> str | None:
        """Take the next event; return the text that it adds, None at the end."""
        event = next(self._events, None)
        if event is None:
            return None
        if isinstance(used := event.get("usage"), dict):
            cached = (used.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
            read = used.get("prompt_tokens") or 0
            self.usage = Usage(read - cached, cached, used.get("completion_tokens") or 0)
        for choice in (event.get("choices") or ())[:1]:
            if choice.get("finish_reason") == "length":
                self.stop = "length"
            delta = choice.get("delta") or {}
            for at, part in enumerate(delta.get("tool_calls") or ()):
                call = self._calls.setdefault(part.get("index", at), ["", ""])
                function = part.get("function") or {}
                call[0] += function.get("name") or ""
                call[1] += function.get("arguments") or ""
            piece = delta.get("content") or ""
            self.text += piece
            return piece
        return ""


def _messages(transcript: Transcript) -> list[dict[str, Any]]:
    """Return `transcript` as the messages of a chat completion."""
    messages: list[dict[str, Any]] = []
    for index, message in enumerate(chat_messages(transcript, _STYLE)):
        messages.append(_message(message, index))
    return messages


def _message(message: Message, index: int) -> dict[str, Any]:
    if message.call is not None:
        function = {"name": message.call.name, "arguments": compact(message.call.arguments)}
        call = {"id": f"call_{index}", "type": "function", "function": function}
        return {"role": "assistant", "content": "", "tool_calls": [call]}
    if message.role == "tool":  # it follows the message of its call
        return {"role": "tool", "tool_call_id": f"call_{index - 1}", "content": _plain(message.content)}
    return {"role": message.role, "content": _plain(message.content)}


def _plain(text: str) -> str:
    """Return `text` with the usual control tokens taken apart, for the server tokenizes it as markup."""
    return _MARKUP.sub(r"\1 ", text)


def _offered(tool: Any) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}
