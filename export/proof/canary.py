"""A short exchange of our own that a bundle carries the unquantized models' answers to.

With it a bundle is tried where its run is not: nothing of the held-out rows, which may be private, is in it.
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

LONGEST = 24
"""Tokens of an answer."""
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
    """What torch answers in a role."""

    prompt: Sequence[int]
    text: Sequence[int]
    header: int
    """How many tokens at the prompt's end switch an activated adapter on; 0 where there is none."""


def canary_prompt(role: Role, tokenize: Tokenize, markers: Markers) -> list[int]:
    """The ids before the answer."""
    return prompt_ids(Transcript((_ADD,), _TURNS[role]), role, tokenize, markers)


def write_canary(run: Run, model: Any, role: Role, header: int = 0) -> Canary:
    """Let a torch model answer; with `header` a peft model with the role's activated adapter."""
    prompt = canary_prompt(role, load_tokenize(run.base), run.markers)
    end = marker_id(run.base, run.markers)
    text, _ = PrefixCachedGenerator(model, header).generate(prompt, end, LONGEST)
    return Canary(prompt, text, header)


def agreed(probe: Canary, file: Path, adapter: Path | None = None) -> int:
    """How many tokens of the answer a GGUF file likes best too."""
    with open_gguf(file, len(probe.prompt) + LONGEST, adapter) as gguf_model:
        return count_agreed(gguf_model, probe)


def count_agreed(gguf_model: GgufModel, probe: Canary) -> int:
    """`agreed` of a file that is open."""
    ids, first = [*probe.prompt, *probe.text[:-1]], len(probe.prompt) - 1
    adapter_start = len(probe.prompt) - probe.header if probe.header else None
    best = gguf_model.logits(ids, first, adapter_start=adapter_start).argmax(-1)
    return int((best == list(probe.text)).sum())
