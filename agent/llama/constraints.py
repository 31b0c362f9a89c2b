"""What each role may write, as llguidance grammars: an unknown tool or a malformed call cannot be generated.

The tokenizer that the grammars run over is built once per model. The only token that ends a turn is the close
marker; every other control token is out of reach.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from llguidance import LLMatcher, LLTokenizer
from numpy.typing import NDArray

from agent.errors import EngineError, InputError
from agent.llama.grounding import atoms, grounded_pattern, sources
from agent.transcript import Role, ToolSpec, Transcript, compact

MAX_THOUGHT = 300
"""Characters of a planner's thought."""
MAX_CALLS = 4
"""Parallel calls in one step."""
_KEPT = 16
"""Compiled grammars kept: three roles over a few sets of tools; grounded ones change with every question."""

_JSON_OPTIONS = {"whitespace_flexible": False, "json_allowed_escapes": '"\\bfnrtu'}
_JSON_BORDERS = (b'"', b":", b",", b"{", b"}", b"[", b"]")
_TEXT = r"[^\x00-\x08\x0b-\x1f\x7f-\x9f]*"
_VISIBLE = r"[^\s\x00-\x1f\x7f-\x9f]"


class Constraint:
    """One turn being written: which token may come next, and whether the turn may end."""

    def __init__(self, matcher: LLMatcher, tokenizer: LLTokenizer) -> None:
        self._matcher = matcher
        self._tokenizer = tokenizer
        self._size = tokenizer.vocab_size
        self._end = tokenizer.eos_token

    def allows(self, token: int) -> bool:
        """Whether `token` may come next; much cheaper than the mask."""
        if token == self._end:
            return self.may_end
        return not self.must_end and self._matcher.validate_tokens([token]) == 1

    def allowed_prefix(self, tokens: list[int]) -> list[int]:
        """The first of `tokens`, as many as may come next one after the other."""
        if not tokens or self.must_end:
            return []
        return tokens[: self._matcher.validate_tokens(tokens)]

    def mask(self) -> NDArray[np.bool_]:
        """For each token of the vocabulary, whether it may come next."""
        packed = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        self._check()
        return np.unpackbits(packed, bitorder="little", count=self._size).astype(np.bool_)

    def accept(self, token: int) -> None:
        """Append `token`. Raises EngineError where the grammar does not allow it."""
        self._matcher.consume_token(token)
        self._check()

    def forced(self) -> list[int]:
        """Tokens that must come next whatever the model says; they are not accepted yet."""
        return self._matcher.compute_ff_tokens() or self._only_text()

    def likely(self) -> str:
        """What comes next in all likelihood: text that is forced up to the end of a piece of JSON.

        It is not in `forced` where a token may hold more than it, as `":""` does where a text begins.
        """
        text = self._matcher.compute_ff_bytes()
        return text.decode("utf-8", "ignore") if text.endswith(_JSON_BORDERS) else ""

    @property
    def may_end(self) -> bool:
        """Whether what is written is a whole turn."""
        return self._matcher.is_accepting()

    @property
    def must_end(self) -> bool:
        """Whether nothing can be appended to what is written."""
        return self._matcher.is_stopped()

    def _only_text(self) -> list[int]:
        """The token that spells the forced text, where all others that may come next are beginnings of it."""
        text = self._matcher.compute_ff_bytes()
        allowed = self.mask().nonzero()[0].tolist() if text else []
        if not allowed or len(allowed) > len(text):
            return []
        pieces = {self._tokenizer.decode_bytes([token]): token for token in allowed}
        return [pieces[text]] if text in pieces and all(map(text.startswith, pieces)) else []

    def _check(self) -> None:
        if self._matcher.is_error():
            raise EngineError(f"the grammar of a turn failed: {_first_line(self._matcher.get_error())}")


class Constraints:
    """The constraints of one model's roles. `tokenizer`'s only end token is the close marker."""

    def __init__(self, tokenizer: LLTokenizer) -> None:
        self._tokenizer = tokenizer
        self._compiled: OrderedDict[str, LLMatcher] = OrderedDict()

    def start(self, role: Role, transcript: Transcript, *, grounded: bool = False) -> Constraint:
        """A fresh constraint for `role`'s next turn. Raises InputError naming a tool that cannot be used.

        `grounded` binds the summarizer's digits to those of the question and its observations.
        """
        if role == "caller":
            self._check_tools(transcript.tools)
        grammar = role_grammar(role, transcript, grounded=grounded)
        if grammar not in self._compiled:
            matcher = LLMatcher(self._tokenizer, grammar, log_level=0)
            if matcher.is_error():
                raise EngineError(
                    f"the {role}'s grammar does not compile: {_first_line(matcher.get_error())}"
                )
            self._compiled[grammar] = matcher
            while len(self._compiled) > _KEPT:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(grammar)
        return Constraint(self._compiled[grammar].deep_copy(), self._tokenizer)

    def _check_tools(self, tools: Sequence[ToolSpec]) -> None:
        if caller_grammar(tools) in self._compiled:
            return
        for tool in tools:
            message = LLMatcher.validate_grammar(caller_grammar([tool]), self._tokenizer)
            if message:
                reason = _first_line(message.partition("failed to compile JSON schema: ")[2] or message)
                raise InputError(
                    f"the parameters of the tool {tool.name} are a JSON Schema that models cannot be held to"
                    f" ({reason})",
                    "simplify its parameters or leave it out with --tools",
                )


def role_grammar(role: Role, transcript: Transcript, *, grounded: bool = False) -> str:
    """The Lark grammar of `role`'s next turn after `transcript`."""
    match role:
        case "planner":
            return planner_grammar(can_call=bool(transcript.tools))
        case "caller":
            return caller_grammar(transcript.tools)
        case "summarizer":
            pattern = grounded_pattern(atoms(sources(transcript.turns))) if grounded else _TEXT
            return _lark("start: ANSWER", ANSWER=f"/{_slashed(pattern)}/ & /{_VISIBLE}{_TEXT}/")


def planner_grammar(*, can_call: bool) -> str:
    """One line of at most MAX_THOUGHT characters, singly spaced, and whom it hands over to."""
    endings = ["caller"] * can_call + ["summarizer", "give up"]
    choice = " | ".join(json.dumps(ending) for ending in endings)
    words = f"/{_VISIBLE}+( {_VISIBLE}+)*/ & /.{{1,{MAX_THOUGHT}}}/"
    return _lark(rf'start: THOUGHT "\nNext: " ({choice})', THOUGHT=words)


def caller_grammar(tools: Sequence[ToolSpec]) -> str:
    """One to MAX_CALLS lines, each a compact JSON call of one of `tools` that satisfies its parameters."""
    if not tools:
        raise EngineError("the caller was asked to write a call and no tools are on offer")
    ordered = sorted(tools, key=lambda tool: tool.name)
    lines = [
        rf'start: call ("\n" call){{0,{MAX_CALLS - 1}}}',
        f"call: {' | '.join(f'call_{index}' for index in range(len(ordered)))}",
    ]
    for index, tool in enumerate(ordered):
        opening = json.dumps(f'{{"name":{compact(tool.name)},"arguments":')
        schema = compact(closed(tool.parameters) | {"x-guidance": _JSON_OPTIONS})
        lines.append(f'call_{index}: {opening} %json {schema} "}}"')
    return "\n".join(lines)


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """`schema` with properties it does not name forbidden, in every object that lists its properties."""
    result: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs", "definitions") and isinstance(value, Mapping):
            result[key] = {name: _closed_part(part) for name, part in value.items()}
        elif key in ("enum", "const", "default", "examples"):
            result[key] = value
        else:
            result[key] = _closed_part(value)
    # Beside these, a list of properties is only a part of the object's properties.
    composed = any(key in schema for key in ("allOf", "anyOf", "oneOf", "$ref"))
    if "properties" in schema and not composed:
        result.setdefault("additionalProperties", False)
    return result


def _closed_part(value: Any) -> Any:
    if isinstance(value, list):
        return [_closed_part(item) for item in value]
    return closed(value) if isinstance(value, Mapping) else value


def _lark(start: str, **terminals: str) -> str:
    return "\n".join([start, *(f"{name}: {pattern}" for name, pattern in terminals.items())])


def _slashed(pattern: str) -> str:
    return pattern.replace("/", r"\/")


def _first_line(message: str) -> str:
    return next((line.strip() for line in message.splitlines() if line.strip()), "unknown")
