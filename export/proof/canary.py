"""The canary of a bundle: a fixed prompt for each role and the unquantized model's answer to it.

It lets a bundle be verified without its run. The prompts are the same in every bundle, so that no held-out
row, which may be private, is part of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.prompting import Markers, Tokenize, prompt_ids
from agent.prompting.encoding import load_tokenize
from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
    Role,
    ToolSpec,
    ToolTurn,
    Transcript,
    UserTurn,
)
from export.proof.gguf_model import GgufModel, open_gguf
from export.proof.tokenizer import marker_id
from train.model.generation import PrefixCachedGenerator
from train.run.finished import Run

MAX_ANSWER_TOKENS = 24
_ADD = ToolSpec(
    "add",
    "Add two numbers.",
    {
        "type": "object",
        "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
        "required": ["a", "b"],
    },
)
_QUESTION = UserTurn("What is 17 plus 25?")
_PLAN = PlannerTurn("I need the sum of the two numbers.", "caller")
_TURNS: Mapping[Role, tuple[Any, ...]] = {
    "planner": (_QUESTION,),
    "caller": (_QUESTION, _PLAN),
    "summarizer": (
        _QUESTION,
        _PLAN,
        CallerTurn((Call("add", {"a": 17, "b": 25}),)),
        ToolTurn("add", "42"),
        PlannerTurn("The sum is known.", "summarizer"),
    ),
}


@dataclass(frozen=True)
class Canary:
    """The prompt of a role and the greedy answer of its torch model, as token ids."""

    prompt: Sequence[int]
    text: Sequence[int]
    header_tokens: int
    """Length of the header that ends the prompt and activates an adapter; 0 without an activated adapter."""


def canary_prompt(role: Role, tokenize: Tokenize, markers: Markers) -> list[int]:
    """Return the token ids of the canary's prompt for `role`, up to where the answer starts."""
    return prompt_ids(Transcript((_ADD,), _TURNS[role]), role, tokenize, markers)


def generate_canary(run: Run, model: Any, role: Role, header_tokens: int = 0) -> Canary:
    """Let the torch `model` answer the canary's prompt for `role` greedily.

    With `header_tokens`, `model` is a peft model with the role's activated adapter.
    """
    prompt = canary_prompt(role, load_tokenize(run.base), run.markers)
    end = marker_id(run.base, run.markers)
    text, _ = PrefixCachedGenerator(model, header_tokens).generate(prompt, end, MAX_ANSWER_TOKENS)
    return Canary(prompt, text, header_tokens)


def count_agreed_in_file(canary: Canary, file: Path, adapter: Path | None = None) -> int:
    """Open a GGUF file, with an activated `adapter` if given, and return `count_agreed` of it."""
    with open_gguf(file, len(canary.prompt) + MAX_ANSWER_TOKENS, adapter) as gguf_model:
        return count_agreed(canary, gguf_model)


def count_agreed(canary: Canary, gguf_model: GgufModel) -> int:
    """Return at how many tokens of the canary's answer the GGUF model ranks the same token first."""
    ids, first = [*canary.prompt, *canary.text[:-1]], len(canary.prompt) - 1
    adapter_start = len(canary.prompt) - canary.header_tokens if canary.header_tokens else None
    best = gguf_model.logits(ids, first, adapter_start=adapter_start).argmax(-1)
    return int((best == list(canary.text)).sum())
