"""The engine on a server that runs umi's own models: a completion for each turn, in the `umi` dialect.

Prompts are those of the local engine. Turns are held to the same grammars: by the server where it takes them,
and here, as they arrive, where it does not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from agent.bundle import Bundle
from agent.engine import Delta, Generated, Stop
from agent.errors import ContextFullError, EngineError
from agent.events import Reading, Usage
from agent.llama.generation import RESERVE
from agent.llama.grammar.calls import Kinds
from agent.prompting import Segment, prompt_ids, segments
from agent.remote.checking import TurnCheck, check_tools, turn_grammar
from agent.remote.client import ServerClient
from agent.remote.dialect import NO_PENALTY, grammar_fields, tokenize
from agent.remote.gbnf import gbnf
from agent.remote.server import Server
from agent.remote.server_engine import ServerEngine
from agent.transcript import Role, Transcript

BYTES_PER_TOKEN = 2.5
"""Of a prompt that the server tokenizes unseen; few texts have fewer."""


class RemoteEngine(ServerEngine):
    """Runs the roles of `bundle`, of which only the manifest is read, on a server."""

    def __init__(
        self, client: ServerClient, server: Server, bundle: Bundle, kinds: Mapping[str, Kinds]
    ) -> None:
        """`kinds` say what the arguments of the tools called so are made of."""
        super().__init__(client, server)
        self.bundle = bundle
        self._kinds = kinds
        self._tokenize = lru_cache(maxsize=4096)(self._tokenize_uncached)

    @property
    def context_length(self) -> int:
        """Tokens that a prompt and what is generated after it may take together."""
        return min(self.bundle.context_length, self.server.context_length or self.bundle.context_length)

    @property
    def grounded_answers(self) -> bool:
        """Whether the bundle's summarizer is grounded."""
        return self.bundle.roles["summarizer"].grounded

    @property
    def least_margins(self) -> Mapping[str, float]:
        """None: servers do not tell what else a grammar would have allowed."""
        return {}

    def count_tokens(self, text: str) -> int:
        """Return how many tokens an answer takes; an estimate where the server does not tokenize."""
        return len(self._tokenize(text, False)) if self.server.tokenizes else _estimate(text)

    def room(self, role: Role, transcript: Transcript) -> int:
        """Return the tokens left for `role`; an estimate where the server does not tokenize."""
        prompt = self._prompt(role, transcript)
        return self.context_length - (_estimate(prompt) if isinstance(prompt, str) else len(prompt))

    def _generate(
        self, role: Role, transcript: Transcript, cancelled: Callable[[], bool], brief: bool
    ) -> Iterator[Reading | Delta | Generated]:
        if role == "caller":
            check_tools(transcript.tools)
        prompt = self._prompt(role, transcript)
        size = _estimate(prompt) if isinstance(prompt, str) else len(prompt)
        if size + RESERVE > self.context_length:
            raise ContextFullError(size + RESERVE, self.context_length)
        yield Reading(role, 0, size)
        started = time.perf_counter()
        reply = _Reply(self._check(role, transcript, brief))
        first: float | None = None
        waited, since = 0.0, started
        body = self._body(role, transcript, prompt, size, brief)
        for event in self._client.stream(f"{self._client.path}/completions", body, cancelled):
            waited += time.perf_counter() - since
            if first is None:
                first = time.perf_counter()
                yield Reading(role, size, size)
            if piece := reply.take(event):
                yield Delta(piece)
            if reply.refused:
                break
            since = time.perf_counter()
        usage = reply.usage or Usage(size, 0, self.count_tokens(reply.text))
        ended = time.perf_counter()
        first = first or ended
        usage += Usage(
            read_seconds=first - started,
            write_seconds=ended - first,
            seconds=ended - started,
            model_seconds=waited,
        )
        stop: Stop = "cancelled" if cancelled() and reply.stop is None else reply.stop or "end"
        if stop == "cancelled":
            yield Generated(reply.text, stop, usage)
            return
        yield self._checked(role, reply, stop, usage)

    def _checked(self, role: Role, reply: _Reply, stop: Stop, usage: Usage) -> Generated:
        """Return the turn. One that its grammar refuses is no turn; of an answer, whole lines are kept."""
        if not reply.refused and (stop == "length" or reply.is_complete):
            return Generated(reply.text, stop, usage)
        if role == "summarizer":
            return Generated(reply.text.rpartition("\n")[0], "length", usage)
        written = (reply.text + reply.refused)[-80:]
        raise EngineError(
            f"the server's {role} wrote {written!r}, which its grammar does not allow",
            "the server did not obey the grammar: see its log"
            if self._exact
            else "ask in other words, or use a server whose grammars are llguidance's",
        )

    def _check(self, role: Role, transcript: Transcript, brief: bool) -> TurnCheck:
        grounded = self.bundle.roles[role].grounded and (self._exact or role == "summarizer")
        brief = brief and self._exact  # nothing holds another server to as few words
        return TurnCheck(turn_grammar(role, transcript, self._kinds, grounded=grounded, brief=brief))

    @property
    def _exact(self) -> bool:
        return self.server.grammar == "llguidance"

    def _body(
        self, role: Role, transcript: Transcript, prompt: str | list[int], size: int, brief: bool
    ) -> dict[str, Any]:
        sampling, close = self.bundle.roles[role].sampling, self.bundle.markers.close
        body: dict[str, Any] = {
            "model": self.server.models[role],
            "prompt": prompt,
            "max_tokens": min(sampling.max_tokens, self.context_length - size),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
            "stop": [close],
            "stream": True,
            "stream_options": {"include_usage": True},
            **NO_PENALTY.get(self.server.kind, {}),
        }
        if (
            self.server.kind == "vLLM"
            and self.server.tokenizes
            and len(end := self._tokenize(close, True)) == 1
        ):
            body["stop_token_ids"] = end  # no text stops there at a control token, which is left out of it
        if adapters := self.server.adapters:
            body["lora"] = [{"id": number, "scale": float(own == role)} for own, number in adapters.items()]
        if self._exact:
            grounded = self.bundle.roles[role].grounded
            grammar = turn_grammar(role, transcript, self._kinds, grounded=grounded, brief=brief)
            body |= grammar_fields(self.server.kind, "llguidance", grammar, close)
        elif self.server.grammar == "gbnf":
            body |= grammar_fields(self.server.kind, "gbnf", gbnf(role, transcript, brief=brief))
        return body

    def _prompt(self, role: Role, transcript: Transcript) -> str | list[int]:
        """Return the prompt: token ids where the server can tokenize, else text that spells no markup."""
        markers = self.bundle.markers
        if self.server.tokenizes:
            return prompt_ids(transcript, role, lambda text, special: self._tokenize(text, special), markers)

        def written(piece: Segment) -> str:
            return f"{markers.header(piece.role)}{_plain(piece.content)}{markers.end}"

        return "".join(map(written, segments(transcript))) + markers.header(role)

    def _tokenize_uncached(self, text: str, special: bool) -> list[int]:
        if not text:
            return []
        return tokenize(self._client, self.server.kind, self.server.models["planner"], text, special)


class _Reply:
    """A turn as it arrives, and how much of it the role's grammar allows."""

    def __init__(self, check: TurnCheck) -> None:
        self._check = check
        self.text = ""
        self.refused = ""
        """What the grammar does not allow after `text`."""
        self.stop: Stop | None = None
        self.usage: Usage | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the text is a whole turn."""
        return self._check.is_complete

    def take(self, event: Any) -> str:
        """Take the next event of the stream; return the text that it adds."""
        if isinstance(event, dict) and isinstance(used := event.get("usage"), dict):
            cached = (used.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
            read = used.get("prompt_tokens") or 0
            self.usage = Usage(read - cached, cached, used.get("completion_tokens") or 0)
        choices = event.get("choices") if isinstance(event, dict) else None
        if not choices:
            return ""
        if reason := choices[0].get("finish_reason"):
            self.stop = "length" if reason == "length" else "end"
        piece = str(choices[0].get("text") or "")
        if not self._check.feed(piece):
            self.refused = piece
            return ""
        self.text += piece
        return piece


def _estimate(text: str) -> int:
    return int(len(text.encode("utf-8", "replace")) / BYTES_PER_TOKEN) + 1


def _plain(text: str) -> str:
    """Return a content that spells no control token of the usual form."""
    return text.replace("<|", "< |")
