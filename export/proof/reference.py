"""Reference texts: what the torch model generates after given prompts, with the logits.

All GGUF files of the model are compared with this record, so torch's is freed before they are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.evaluation.tasks import EvalTask, eval_tasks, subsample
from agent.prompting import prompt_ids, segment
from agent.prompting.encoding import load_tokenize
from agent.transcript import Role, Transcript, UserTurn
from export.options import Say
from export.progress import ThrottledProgress
from export.proof.tokenizer import marker_id
from train.model.generation import PrefixCachedGenerator
from train.run.finished import Run

MAX_TURN_TOKENS = 128
"""The most tokens of a generated turn."""


@dataclass(frozen=True)
class Prompt:
    """The token ids before a turn, and the held-out turn that should follow; None for a greeting."""

    ids: Sequence[int]
    case: EvalTask | None


@dataclass(frozen=True)
class GeneratedTurn:
    """A turn that the torch model generated after a prompt."""

    prompt: Prompt
    text: Sequence[int]
    """Token ids, including the end token unless the limit was reached first."""
    logits: NDArray[np.float32]
    """The logits that each token of `text` was chosen by, shape (tokens, vocabulary)."""
    adapter_start: int | None
    """The position in `ids` from which an activated adapter is on; None where there is none."""

    @property
    def ids(self) -> list[int]:
        """The input ids that give `logits`: the prompt and all but the last token of `text`."""
        return [*self.prompt.ids, *self.text[:-1]]

    @property
    def first(self) -> int:
        """The position in `ids` of the logits that the first token of `text` was chosen by."""
        return len(self.prompt.ids) - 1


@dataclass(frozen=True)
class Reference:
    """The texts that the torch model generated."""

    role: str
    """The role that the prompts are for; `base` for a model without roles."""
    prompts: Sequence[Prompt]
    texts: Sequence[Sequence[int]]
    logits: NDArray[np.float32]
    """Logits of all texts, memory-mapped from `file`, shape (tokens, vocabulary)."""
    file: Path
    end: int
    """The id of the token that ends a turn."""
    header_tokens: int
    """Length of the header that ends a prompt and activates an adapter; 0 without an activated adapter."""

    def __iter__(self) -> Iterator[GeneratedTurn]:
        start = 0
        for prompt, text in zip(self.prompts, self.texts, strict=True):
            adapter_start = len(prompt.ids) - self.header_tokens if self.header_tokens else None
            yield GeneratedTurn(
                prompt, text, np.asarray(self.logits[start : start + len(text)]), adapter_start
            )
            start += len(text)

    @property
    def longest(self) -> int:
        """The longest prompt and turn together, in tokens; the context that a comparison needs."""
        return max(len(prompt.ids) for prompt in self.prompts) + MAX_TURN_TOKENS


def role_prompts(run: Run, role: Role, limit: int) -> list[Prompt]:
    """Return at most `limit` prompts of `role`, spread over its turns in the run's held-out rows.

    Turns that do not fit into the run's `max_length` with their prompt are left out. If none fits, the only
    prompt is a greeting.
    """
    tokenize, max_length = load_tokenize(run.base), run.recipe["max_length"]

    def ids_before(transcript: Transcript) -> list[int]:
        return prompt_ids(transcript, role, tokenize, run.markers)

    def fits(case: EvalTask) -> bool:
        prompt_tokens = len(ids_before(case.history))
        return prompt_tokens + len(tokenize(segment(case.reference).content, False)) < max_length

    fitting = subsample([case for case in eval_tasks(run.held_out(), role) if fits(case)], limit)
    greeting = Prompt(ids_before(Transcript((), (UserTurn("hello"),))), None)
    return [Prompt(ids_before(case.history), case) for case in fitting] or [greeting]


def record_reference(
    run: Run,
    model: Any,
    role: Role,
    prompts: Sequence[Prompt],
    folder: Path,
    say: Say,
    header_tokens: int = 0,
) -> Reference:
    """Generate a turn with the torch `model` after each of `prompts`; the logits go to a file in `folder`.

    With `header_tokens`, `model` is a peft model with the role's activated adapter.
    """
    end = marker_id(run.base, run.markers)
    return record_texts(model, role, prompts, end, folder, say, header_tokens=header_tokens)


def record_texts(
    model: Any,
    role: str,
    prompts: Sequence[Prompt],
    end: int,
    folder: Path,
    say: Say,
    *,
    header_tokens: int = 0,
    max_tokens: int = MAX_TURN_TOKENS,
) -> Reference:
    """Generate at most `max_tokens` tokens, up to the token `end`, after each of `prompts`.

    The logits go to a file in `folder`; `header_tokens` is as in `record_reference`.
    """
    generator = PrefixCachedGenerator(model, header_tokens)
    progress = ThrottledProgress(say)
    texts: list[list[int]] = []
    vocabulary = 0
    path = folder / f"{role}-{header_tokens}.logits"
    with path.open("wb") as file:
        for prompt in prompts:
            text, text_logits = generator.generate(prompt.ids, end, max_tokens)
            file.write(np.ascontiguousarray(text_logits, "<f4").data)
            texts.append(text)
            vocabulary = text_logits.shape[1]
            progress(f"{role}: torch wrote {len(texts)} of {len(prompts)} turns")
    logits = np.memmap(path, "<f4", "r", shape=(sum(map(len, texts)), vocabulary))
    return Reference(role, prompts, texts, logits, path, end, header_tokens)
