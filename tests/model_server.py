"""Stand-ins of model servers: what llama-server, one without grammars and Ollama answer, without a network.

The exchange with Ollama is written by hand after its OpenAI-compatible interface; it was not
recorded from a running Ollama.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from agent.prompting import CHATML
from agent.remote.server import Grammar

SPECIAL = {CHATML.open: 256, CHATML.close: 257}
"""Control tokens of the stand-in, whose other tokens are bytes."""


def tokenized(text: str, special: bool) -> list[int]:
    """The tokens of `text`: bytes, and with `special` the control tokens it spells."""
    parts = re.split(f"({'|'.join(map(re.escape, SPECIAL))})", text) if special else [text]
    return [token for part in parts for token in ([SPECIAL[part]] if part in SPECIAL else part.encode())]


def events(*objects: Any) -> bytes:
    """Server-sent events."""
    lines = [f"data: {json.dumps(one)}\n\n" for one in objects]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()


@dataclass
class LlamaServer:
    """A stand-in of llama-server that writes the texts of a script, four characters an event."""

    script: Sequence[str]
    grammar: Grammar = "llguidance"
    tokenizes: bool = True
    models: Sequence[str] = ("/models/backbone.gguf",)
    owner: str = "llamacpp"
    adapters: Sequence[str] = ()
    """Paths of the adapters that it loaded."""
    hangs: bool = False
    """Whether completions never come."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    """Of the completions of the script so far."""
    trials: list[str] = field(default_factory=list)
    """The grammars that were tried."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client left a completion that hangs."""

    @property
    def transport(self) -> httpx2.MockTransport:
        """What takes the place of the network."""
        return httpx2.MockTransport(self._answer)

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if request.method == "GET":
            found = {
                "/v1/models": {"data": [{"id": name, "owned_by": self.owner} for name in self.models]},
                "/props": {"default_generation_settings": {"n_ctx": 2000}},
                "/lora-adapters": [
                    {"id": number, "path": path, "scale": 0.0} for number, path in enumerate(self.adapters)
                ],
            }.get(path)
            return httpx2.Response(200 if found else 404, json=found)
        body = json.loads(request.content)
        if path == "/tokenize" and self.tokenizes:
            return httpx2.Response(200, json={"tokens": tokenized(body["content"], body["parse_special"])})
        if path != "/v1/completions":
            return httpx2.Response(404, json={"error": {"message": "not here"}})
        if not body.get("stream"):
            return self._trial(str(body.get("grammar")))
        return await self._complete(body)

    def _trial(self, grammar: str) -> httpx2.Response:
        self.trials.append(grammar)
        kind = "llguidance" if grammar.startswith("%llguidance") else "gbnf"
        if self.grammar == "none":
            return httpx2.Response(200, json={"choices": [{"text": "anything"}]})
        if kind == "llguidance" and self.grammar == "gbnf":
            return httpx2.Response(400, json={"error": {"message": "failed to parse grammar"}})
        return httpx2.Response(200, json={"choices": [{"text": '"qz7"' if kind == "llguidance" else "qz7"}]})

    async def _complete(self, body: dict[str, Any]) -> httpx2.Response:
        self.bodies.append(body)
        if self.hangs:
            try:
                await asyncio.sleep(60)
            finally:
                self.left.set()
        text = self.script[len(self.bodies) - 1]
        if text == "(error)":
            return httpx2.Response(200, content=events({"error": {"message": "out of memory"}}))
        pieces = [text[at : at + 4] for at in range(0, len(text), 4)]
        usage = {"prompt_tokens": 30, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 20}}
        return httpx2.Response(
            200,
            content=events(
                *({"choices": [{"text": piece, "finish_reason": None}]} for piece in pieces),
                {"choices": [{"text": "", "finish_reason": "stop"}]},
                {"choices": [], "usage": usage},
            ),
        )


def chat_delta(finish_reason: str | None = None, **delta: Any) -> dict[str, Any]:
    """A chunk of a chat completion."""
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}


def called(name: str, **arguments: Any) -> dict[str, Any]:
    """A chunk with a whole call, as Ollama writes them."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"index": 0, "id": "call_x", "type": "function", "function": function}
    return chat_delta(role="assistant", content="", tool_calls=[call])


@dataclass
class Ollama:
    """A stand-in of Ollama with one model, whose replies are lists of chunks."""

    replies: Sequence[Sequence[dict[str, Any]]]
    models: Sequence[str] = ("qwen2.5:0.5b",)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    @property
    def transport(self) -> httpx2.MockTransport:
        """What takes the place of the network."""
        return httpx2.MockTransport(self._answer)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            found = {
                "/v1/models": {
                    "object": "list",
                    "data": [{"id": n, "owned_by": "library"} for n in self.models],
                },
                "/api/version": {"version": "0.12.6"},
            }.get(request.url.path)
            return httpx2.Response(200 if found else 404, json=found)
        assert request.url.path == "/v1/chat/completions"
        self.bodies.append(json.loads(request.content))
        return httpx2.Response(200, content=events(*self.replies[len(self.bodies) - 1]))
