"""The grammar of each role, for llguidance: an unknown tool or a malformed call cannot be generated.

The tokenizer that the grammars run over is built once per model. The only control token that a grammar allows
is the close marker, which ends the turn.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from llguidance import LLMatcher, LLTokenizer
from numpy.typing import NDArray

from agent.errors import EngineError, InputError
from agent.llama.grammar.calls import Kinds, arguments_grammar, caller_grammar
from agent.llama.grammar.grounding import Atoms, atoms, grounded_pattern, sources, thought_pattern
from agent.llama.grammar.numbers import plannable_numbers
from agent.llama.timing import Stopwatch
from agent.prompting.call_markup import CallMarkup
from agent.transcript import PlannerTurn, Role, ToolSpec, Transcript

MAX_THOUGHT = 300
"""Characters of a planner's thought, at most."""
BRIEF_THOUGHT = 120
"""Characters of a brief thought, at most: of a token each, they fit the room that every turn has."""
BRIEF_WORDS = 16
"""Words of a brief thought, at most; so it ends with a word where these are not long."""
_MAX_COMPILED = 16
"""Compiled grammars kept: three roles for a few sets of tools, or the arguments of as many tools."""

_JSON_DELIMITERS = (b'"', b":", b",", b"{", b"}", b"[", b"]")
_TEXT = r"[^\x00-\x08\x0b-\x1f\x7f-\x9f]*"
_VISIBLE = r"[^\s\x00-\x1f\x7f-\x9f]"


class Constraint:
    """The grammar of one turn at its present position: which tokens may come next, whether it may end."""

    def __init__(self, matcher: LLMatcher, tokenizer: LLTokenizer, stopwatch: Stopwatch) -> None:
        """`stopwatch` runs while the grammar computes."""
        self._stopwatch = stopwatch
        self._matcher = matcher
        self._tokenizer = tokenizer
        self._size = tokenizer.vocab_size
        self._end = tokenizer.eos_token

    def fork(self) -> Self:
        """Return a constraint at the same position, which is advanced apart from this one."""
        with self._stopwatch:
            return type(self)(self._matcher.deep_copy(), self._tokenizer, self._stopwatch)

    def allows(self, token: int) -> bool:
        """Return whether `token` may come next; much cheaper than the mask."""
        if token == self._end:
            return self.may_end
        with self._stopwatch:
            return not self._matcher.is_stopped() and self._matcher.validate_tokens([token]) == 1

    def allowed_prefix(self, tokens: list[int]) -> list[int]:
        """Return the longest prefix of `tokens` that may come next."""
        if not tokens or self.must_end:
            return []
        with self._stopwatch:
            return tokens[: self._matcher.validate_tokens(tokens)]

    def mask(self) -> NDArray[np.bool_]:
        """Return which tokens may come next, bool, shape (vocabulary,)."""
        with self._stopwatch:
            packed = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        self._check()
        return np.unpackbits(packed, bitorder="little", count=self._size).astype(np.bool_)

    def accept(self, token: int) -> None:
        """Append `token`. Raise EngineError where the grammar does not allow it."""
        with self._stopwatch:
            self._matcher.consume_token(token)
        self._check()

    def forced_tokens(self) -> list[int]:
        """Return the tokens that must come next whatever the logits are, without accepting them."""
        with self._stopwatch:
            return self._matcher.compute_ff_tokens() or self._forced_spelling()

    def probable_text(self) -> str:
        """Return text that is forced up to a delimiter of JSON; it very probably comes next.

        `forced_tokens` lacks it where a token may continue it, as `":""` does at the beginning of a string.
        """
        with self._stopwatch:
            text = self._matcher.compute_ff_bytes()
        return text.decode("utf-8", "ignore") if text.endswith(_JSON_DELIMITERS) else ""

    @property
    def may_end(self) -> bool:
        """Whether the tokens so far are a complete turn."""
        return self._matcher.is_accepting()

    @property
    def must_end(self) -> bool:
        """Whether no token can be appended."""
        return self._matcher.is_stopped()

    def _forced_spelling(self) -> list[int]:
        """Return the token that spells the forced text, where all other allowed tokens are prefixes of it."""
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
    """Compiles and keeps the grammars of a model's roles; the tokenizer's end token is the close marker."""

    def __init__(
        self,
        tokenizer: LLTokenizer,
        kinds: Mapping[str, Kinds] | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        """`kinds` say what the arguments of the tools called so are made of.

        `stopwatch` runs while grammars are compiled, compute masks, or tell what they force.
        """
        self._tokenizer = tokenizer
        self._kinds = kinds or {}
        self._stopwatch = stopwatch or Stopwatch()
        self._compiled: OrderedDict[str, LLMatcher] = OrderedDict()
        self._checked: set[str] = set()
        """The lines of the tools that grammars can be made of."""

    def start(
        self, role: Role, transcript: Transcript, *, grounded: bool = False, brief: bool = False
    ) -> Constraint:
        """Return a constraint for the next turn of `role`, at its beginning.

        `grounded` restricts the digits of an answer to those of the question and its observations, and those
        of a thought to numbers that follow from them; `brief` bounds a thought by BRIEF_THOUGHT. Raise
        InputError naming a tool whose parameters cannot be compiled.
        """
        with self._stopwatch:
            if role == "caller":
                self._check_tools(transcript.tools)
            grammar = role_grammar(role, transcript, grounded=grounded, kinds=self._kinds, brief=brief)
            return self._start(role, grammar)

    def start_arguments(self, tool: ToolSpec, markup: CallMarkup, transcript: Transcript) -> Constraint:
        """Return a constraint for the arguments of a stock model's call of `tool` after `transcript`.

        Raise InputError where its parameters cannot be compiled.
        """
        with self._stopwatch:
            self._check_tools([tool])
            kinds, texts = self._kinds.get(tool.name), sources(transcript.turns)
            return self._start("caller", arguments_grammar(tool, markup, kinds, texts))

    def start_answer(self, markup: CallMarkup) -> Constraint:
        """Return a constraint for an answer of a stock model, which does not begin as a call."""
        with self._stopwatch:
            return self._start("summarizer", answer_grammar(markup))

    def _start(self, role: Role, grammar: str) -> Constraint:
        if grammar not in self._compiled:
            matcher = LLMatcher(self._tokenizer, grammar, log_level=0)
            if matcher.is_error():
                raise EngineError(
                    f"the {role}'s grammar does not compile: {_first_line(matcher.get_error())}"
                )
            self._compiled[grammar] = matcher
            while len(self._compiled) > _MAX_COMPILED:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(grammar)
        return Constraint(self._compiled[grammar].deep_copy(), self._tokenizer, self._stopwatch)

    def _check_tools(self, tools: Sequence[ToolSpec]) -> None:
        for tool in tools:
            if (line := tool.line()) in self._checked:
                continue
            message = LLMatcher.validate_grammar(caller_grammar([tool]), self._tokenizer)
            if message:
                reason = _first_line(message.partition("failed to compile JSON schema: ")[2] or message)
                raise InputError(
                    f"the parameters of the tool {tool.name} are a JSON Schema that models cannot be held to"
                    f" ({reason})",
                    "simplify its parameters or leave it out with --tools",
                )
            self._checked.add(line)


def role_grammar(
    role: Role,
    transcript: Transcript,
    *,
    grounded: bool = False,
    kinds: Mapping[str, Kinds] | None = None,
    brief: bool = False,
) -> str:
    """Return the Lark grammar of the turn of `role` after `transcript`."""
    match role:
        case "planner":
            pattern = _thought_pattern(transcript) if grounded else ""
            return planner_grammar(can_call=bool(transcript.tools), pattern=pattern, brief=brief)
        case "caller":
            last = transcript.turns[-1] if transcript.turns else None
            thought = last.content if isinstance(last, PlannerTurn) else ""
            return caller_grammar(transcript.tools, kinds, sources(transcript.turns), thought)
        case "summarizer":
            pattern = grounded_pattern(atoms(sources(transcript.turns))) if grounded else _TEXT
            return _lark("start: ANSWER", ANSWER=f"/{_slashed(pattern)}/ & /{_VISIBLE}{_TEXT}/")


def planner_grammar(*, can_call: bool, pattern: str = "", brief: bool = False) -> str:
    """Return a grammar of a line of at most MAX_THOUGHT characters and one of the endings.

    A `brief` line has at most BRIEF_THOUGHT characters and BRIEF_WORDS words. The line matches the regular
    expression `pattern` too, where it is given.
    """
    endings = ["caller"] * can_call + ["summarizer", "give up"]
    choice = " | ".join(json.dumps(ending) for ending in endings)
    longest, more = (BRIEF_THOUGHT, f"{{0,{BRIEF_WORDS - 1}}}") if brief else (MAX_THOUGHT, "*")
    words = f"/{_VISIBLE}+( {{1,8}}{_VISIBLE}+){more}/ & /.{{1,{longest}}}/"
    if pattern:
        words += f" & /{_slashed(pattern)}/"
    return _lark(rf'start: THOUGHT "\nNext: " ({choice})', THOUGHT=words)


def _thought_pattern(transcript: Transcript) -> str:
    """Return a regular expression of thoughts whose numbers and names with digits are the conversation's."""
    texts = sources(transcript.turns)
    said = atoms([*texts, *(tool.line() for tool in transcript.tools)])
    return thought_pattern(Atoms(said.numbers | plannable_numbers(texts), said.words))


def answer_grammar(markup: CallMarkup) -> str:
    """Return a grammar of text that begins neither as a call in `markup` nor as one in plain JSON."""
    first = re.escape(markup.before.strip()[:1])
    return _lark("start: ANSWER", ANSWER=rf"/[^\s\x00-\x1f\x7f-\x9f{{`\[{first}]{_slashed(_TEXT)}/")


def _lark(start: str, **terminals: str) -> str:
    return "\n".join([start, *(f"{name}: {pattern}" for name, pattern in terminals.items())])


def _slashed(pattern: str) -> str:
    return pattern.replace("/", r"\/")


def _first_line(message: str) -> str:
    return next((line.strip() for line in message.splitlines() if line.strip()), "unknown")
