"""The answers of the unquantized models to the canary of a bundle (see `agent.bundle.deltas.canary`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.bundle.deltas.canary import canary_prompt, count_agreed
from agent.llama.binding.gguf_model import open_gguf
from agent.prompting.encoding import load_tokenize
from agent.transcript import Role
from export.proof.tokenizer import marker_id
from train.model.generation import PrefixCachedGenerator
from train.run.finished import Run

MAX_ANSWER_TOKENS = 24


@dataclass(frozen=True)
class Canary:
    """The prompt of a role and the greedy answer of its torch model, as token ids."""

    prompt: Sequence[int]
    text: Sequence[int]
    header_tokens: int
    """Length of the header that ends the prompt and activates an adapter; 0 without an activated adapter."""


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
        return count_agreed(gguf_model, canary.prompt, canary.text, canary.header_tokens)
