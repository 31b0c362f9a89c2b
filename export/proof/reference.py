"""Reference generations of a role: held-out turns that the torch model generates, with every logit.

All files of the role are compared with this record, so the torch model can be freed before they are made.
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

LONGEST_TURN = 128
"""The most tokens of a generated turn."""


@dataclass(frozen=True)
class Prompt:
    """The ids before a turn, and the held-out turn that should follow; None where there is none."""

    ids: Sequence[int]
    case: EvalTask | None


@dataclass(frozen=True)
class Written:
    """A turn that torch generated: up to and with the token that ends it, where that was reached."""

    prompt: Prompt
    text: Sequence[int]
    logits: NDArray[np.float32]
    """[tokens of the text, vocabulary], those that each token was chosen by."""
    adapter_start: int | None
    """The position in `ids` from which an activated adapter is on; None where there is none."""

    @property
    def ids(self) -> list[int]:
        """The ids that are the input for those logits."""
        return [*self.prompt.ids, *self.text[:-1]]

    @property
    def first(self) -> int:
        """The position in `ids` whose logits the first token of the text was chosen by."""
        return len(self.prompt.ids) - 1


@dataclass(frozen=True)
class Reference:
    """All turns of a role that torch generated."""

    role: Role
    prompts: Sequence[Prompt]
    texts: Sequence[Sequence[int]]
    logits: NDArray[np.float32]
    """[tokens of all texts, vocabulary], in `file`."""
    file: Path
    end: int
    """The id of the token that ends a turn."""
    header_tokens: int
    """Length of the header that ends a prompt and activates an adapter; 0 without an activated adapter."""

    def __iter__(self) -> Iterator[Written]:
        at = 0
        for prompt, text in zip(self.prompts, self.texts, strict=True):
            adapter_start = len(prompt.ids) - self.header_tokens if self.header_tokens else None
            yield Written(prompt, text, np.asarray(self.logits[at : at + len(text)]), adapter_start)
            at += len(text)

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt and the longest turn that a file may generate after it."""
        return max(len(prompt.ids) for prompt in self.prompts) + LONGEST_TURN


def role_prompts(run: Run, role: Role, limit: int) -> list[Prompt]:
    """Return at most `limit` prompts of `role`, spread over its turns in the run's held-out rows.

    Turns that are longer with their prompt than the run's `max_length` are left out. Where none is left, a
    greeting is the one prompt.
    """
    tokenize, max_length = load_tokenize(run.base), run.recipe["max_length"]

    def ids_before(transcript: Transcript) -> list[int]:
        return prompt_ids(transcript, role, tokenize, run.markers)

    def fits(case: EvalTask) -> bool:
        prompt_tokens = len(ids_before(case.history))
        return prompt_tokens + len(tokenize(segment(case.reference).content, False)) < max_length

    fitting = subsample([case for case in eval_tasks(run.held_out(), role) if fits(case)], limit)
    hello = Prompt(ids_before(Transcript((), (UserTurn("hello"),))), None)
    return [Prompt(ids_before(case.history), case) for case in fitting] or [hello]


def record_reference(
    run: Run,
    model: Any,
    role: Role,
    prompts: Sequence[Prompt],
    folder: Path,
    say: Say,
    header_tokens: int = 0,
) -> Reference:
    """Let `model` generate a turn of `role` after each of `prompts`; the logits go to a file in `folder`.

    With `header_tokens` it is a peft model with the role's activated adapter.
    """
    generator, end = PrefixCachedGenerator(model, header_tokens), marker_id(run.base, run.markers)
    progress = ThrottledProgress(say)
    texts: list[list[int]] = []
    width = 0
    path = folder / f"{role}-{header_tokens}.logits"
    with path.open("wb") as file:
        for prompt in prompts:
            text, text_logits = generator.generate(prompt.ids, end, LONGEST_TURN)
            file.write(np.ascontiguousarray(text_logits, "<f4").data)
            texts.append(text)
            width = text_logits.shape[1]
            progress(f"{role}: torch wrote {len(texts)} of {len(prompts)} turns")
    logits = np.memmap(path, "<f4", "r", shape=(sum(map(len, texts)), width))
    return Reference(role, prompts, texts, logits, path, end, header_tokens)
