"""Events of an answer as the objects of OpenAI's chat completions: whole, or in chunks as they come.

Thoughts, and the calls and results of umi's own tools, are `reasoning_content`, which many clients show apart
from the answer. An object `umi` says why the turn ended (`agent.events.Reason`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any

from agent.events import AnswerDelta, CallProposed, Event, Finished, Observation, Thought, Usage
from agent.transcript import compact
from serve.cutting import CutAtLength
from serve.errors import RequestError
from serve.requests import MODEL


class Reply:
    """One answer. `offered` tells that the tools are the client's, which runs the calls."""

    def __init__(self, *, offered: bool) -> None:
        self._offered = offered
        self._id = f"chatcmpl-{secrets.token_hex(12)}"
        self._created = int(time.time())
        self._content = ""
        self._reasoning = ""
        self._calls: list[dict[str, Any]] = []
        self._cut = False
        self._finished: Finished | None = None

    def deltas(self, event: Event | CutAtLength) -> Iterator[dict[str, Any]]:
        """Take the next event; yield what it adds to the message. Raise RequestError where umi failed."""
        match event:
            case Thought(_, text, next_) if text and next_ != "give up":
                yield self._reason(f"{text}\n")
            case CallProposed(_, index, name, arguments) if self._offered:
                call = {
                    "id": f"call_{secrets.token_hex(12)}",
                    "type": "function",
                    "function": {"name": name, "arguments": compact(arguments)},
                }
                self._calls.append(call)
                yield {"tool_calls": [{"index": index, **call}]}
            case CallProposed(_, _, name, arguments):
                yield self._reason(f"{name} {compact(arguments)}\n")
            case Observation(_, _, _, ok, content):
                yield self._reason(f"{content}\n" if ok else f"error: {content}\n")
            case AnswerDelta(text):
                if text := text if self._content else text.lstrip():
                    self._content += text
                    yield {"content": text}
            case CutAtLength():
                self._cut = True
            case Finished("error", answer):
                raise RequestError(500, answer, "umi_failed")
            case Finished(_, answer):
                self._finished = event
                if not self._content and not self._calls and not self._cut:
                    self._content = answer or "There is no answer: the limit of steps is reached."
                    yield {"content": self._content}
            case _:
                pass

    def whole(self) -> dict[str, Any]:
        """Return the completion, after the last event."""
        message: dict[str, Any] = {
            "role": "assistant",
            "content": self._content.strip() or None,
            "refusal": None,
        }
        if self._reasoning:
            message["reasoning_content"] = self._reasoning.strip()
        if self._calls:
            message["tool_calls"] = self._calls
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish_reason}
        return self._object("chat.completion", [choice]) | {"usage": self.usage(), **self._ending()}

    def chunk(self, delta: Mapping[str, Any]) -> dict[str, Any]:
        """Return a chunk of a stream."""
        choice = {"index": 0, "delta": dict(delta), "logprobs": None, "finish_reason": None}
        return self._object("chat.completion.chunk", [choice])

    def last_chunk(self) -> dict[str, Any]:
        """Return the chunk that ends the message."""
        choice = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": self._finish_reason}
        return self._object("chat.completion.chunk", [choice]) | self._ending()

    def usage_chunk(self) -> dict[str, Any]:
        """Return the chunk with the usage."""
        return self._object("chat.completion.chunk", []) | {"usage": self.usage()}

    def usage(self) -> dict[str, Any]:
        """Return the tokens that all roles read and generated; those in the cache count as read."""
        total = sum((self._finished.stats or {}).values(), Usage()) if self._finished else Usage()
        read = total.prompt_evaluated + total.prompt_reused
        return {
            "prompt_tokens": read,
            "completion_tokens": total.generated,
            "total_tokens": read + total.generated,
            "prompt_tokens_details": {"cached_tokens": total.prompt_reused},
        }

    @property
    def _finish_reason(self) -> str:
        return "tool_calls" if self._calls else "length" if self._cut else "stop"

    def _reason(self, text: str) -> dict[str, Any]:
        self._reasoning += text
        return {"reasoning_content": text}

    def _ending(self) -> dict[str, Any]:
        return {"umi": {"reason": self._finished.reason if self._finished else "cancelled"}}

    def _object(self, kind: str, choices: list[Any]) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": MODEL,
            "choices": choices,
        }
