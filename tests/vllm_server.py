"""A stand-in of vLLM's server, which answers as version 0.32 did, without a network."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx2
from model_server import SPECIAL, events, tokenized

_SPELLED = {token: text for text, token in SPECIAL.items()}


@dataclass
class VllmServer:
    """A server that writes the texts of a script, a request each."""

    script: Sequence[str]
    models: Sequence[str] = ("small",)
    backend: Literal["guidance", "xgrammar"] = "guidance"
    """The backend of structured outputs; only `guidance` takes llguidance's grammars."""
    owner: str = "vllm"
    max_model_len: int = 2000
    bodies: list[dict[str, Any]] = field(default_factory=list)
    """Of the completions of the script so far."""

    @property
    def transport(self) -> httpx2.MockTransport:
        """What takes the place of the network."""
        return httpx2.MockTransport(self._answer)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if request.method == "GET":
            found = {"/v1/models": {"data": self._listed()}, "/version": {"version": "0.32.0"}}.get(path)
            return httpx2.Response(200 if found else 404, json=found)
        body = json.loads(request.content)
        if body["model"] not in self.models:
            return _error(404, f"The model `{body['model']}` does not exist.")
        if path == "/tokenize":
            tokens = tokenized(body["prompt"], special=True)  # it has no option for less
            spelled = [_SPELLED.get(token, chr(token % 256)) for token in tokens]
            return httpx2.Response(200, json={"tokens": tokens, "token_strs": spelled, "count": len(tokens)})
        if path != "/v1/completions":
            return _error(404, "Not Found")
        grammar = str(body.get("structured_outputs", {}).get("grammar", ""))
        if grammar and "::=" not in grammar and self.backend != "guidance":
            return _error(400, "Grammar error")
        if not body.get("stream"):
            forced = '"qz7"' if "%json" in grammar else "qz7"
            return httpx2.Response(200, json={"choices": [{"text": forced, "finish_reason": "stop"}]})
        return self._complete(body)

    def _listed(self) -> list[dict[str, Any]]:
        base, *adapters = self.models
        listed: list[dict[str, Any]] = [
            {"id": base, "owned_by": self.owner, "parent": None, "max_model_len": self.max_model_len}
        ]
        return listed + [
            {"id": name, "owned_by": self.owner, "parent": base, "max_model_len": None} for name in adapters
        ]

    def _complete(self, body: dict[str, Any]) -> httpx2.Response:
        self.bodies.append(body)
        text = self.script[len(self.bodies) - 1]
        pieces = re.findall(r".{1,4}", text, re.DOTALL)
        usage = {"prompt_tokens": 30, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 20}}
        return httpx2.Response(
            200,
            content=events(
                *({"choices": [{"text": piece, "finish_reason": None}]} for piece in pieces),
                {"choices": [{"text": "", "finish_reason": "stop", "stop_reason": None}]},
                {"choices": [], "usage": usage},
            ),
        )


def _error(status: int, message: str) -> httpx2.Response:
    return httpx2.Response(status, json={"error": {"message": message, "type": "BadRequestError"}})
