"""The canary of a bundle: a fixed prompt for each role, answered by the unquantized models in its metrics.

It lets a bundle be verified without its run. The prompts are the same in every bundle, so that no held-out
row, which may be private, is part of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agent.llama.binding.gguf_model import GgufModel
from agent.prompting import Markers, Tokenize, prompt_ids
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

TOLERANCE = 2
"""Tokens of a canary's answer that may differ by another processor's rounding."""
CONTEXT = 1024
"""Tokens of context for a canary's prompt and answer."""
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


def canary_prompt(role: Role, tokenize: Tokenize, markers: Markers) -> list[int]:
    """Return the token ids of the canary's prompt for `role`, up to where the answer starts."""
    return prompt_ids(Transcript((_ADD,), _TURNS[role]), role, tokenize, markers)


def count_agreed(
    model: GgufModel, prompt: Sequence[int], answer: Sequence[int], header_tokens: int = 0
) -> int:
    """Return at how many tokens of `answer` the model ranks the same token first.

    Its adapter is on for the last `header_tokens` of the prompt and for the answer, off for 0.
    """
    ids, first = [*prompt, *answer[:-1]], len(prompt) - 1
    adapter_start = len(prompt) - header_tokens if header_tokens else None
    best = model.logits(ids, first, adapter_start=adapter_start).argmax(-1)
    return int((best == list(answer)).sum())


def run_canary(model: GgufModel, role: Role, markers: Markers, answer: Sequence[int]) -> int:
    """Return `count_agreed` of a role's `answer`; an adapter of the model is on from the role's header."""
    header_tokens = len(model.tokenize(markers.header(role), True)) if model.has_adapter else 0
    return count_agreed(model, canary_prompt(role, model.tokenize, markers), answer, header_tokens)
