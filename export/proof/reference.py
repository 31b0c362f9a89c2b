"""What a role's model says before it is quantized: held-out turns written by torch, and every logit.

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
from export.progress import Ticker
from export.proof.greedy import GreedyDecoder
from export.proof.tokenizer import marker_id
from export.run import Run

LONGEST_TURN = 128
"""Tokens a turn is written to at most."""


@dataclass(frozen=True)
class Prompt:
    """The ids before a turn; `case` says what the turn should be, None where no held-out row has one."""

    ids: Sequence[int]
    case: EvalTask | None


@dataclass(frozen=True)
class Written:
    """A turn as torch wrote it: up to and with the token that ends it, where there was room for that."""

    prompt: Prompt
    text: Sequence[int]
    logits: NDArray[np.float32]
    """[tokens of the text, vocabulary], those that each token was chosen by."""
    adapter_start: int | None
    """The position in `ids` from which an activated adapter is on; None where there is none."""

    @property
    def ids(self) -> list[int]:
        """All that has to be read for those logits."""
        return [*self.prompt.ids, *self.text[:-1]]

    @property
    def first(self) -> int:
        """The position in `ids` whose logits the text's first token was chosen by."""
        return len(self.prompt.ids) - 1


@dataclass(frozen=True)
class Reference:
    """All turns of a role that torch wrote."""

    role: Role
    prompts: Sequence[Prompt]
    texts: Sequence[Sequence[int]]
    logits: NDArray[np.float32]
    """[tokens of all texts, vocabulary], in `file`."""
    file: Path
    end: int
    """The id of the token that ends a turn."""
    header: int
    """How many tokens at a prompt's end switch an activated adapter on; 0 where there is none."""

    def __iter__(self) -> Iterator[Written]:
        at = 0
        for prompt, text in zip(self.prompts, self.texts, strict=True):
            adapter_start = len(prompt.ids) - self.header if self.header else None
            yield Written(prompt, text, np.asarray(self.logits[at : at + len(text)]), adapter_start)
            at += len(text)

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt with its text, and with as much as any file may write instead."""
        return max(len(prompt.ids) for prompt in self.prompts) + LONGEST_TURN


def role_prompts(run: Run, role: Role, most: int) -> list[Prompt]:
    """At most `most` prompts of `role`, spread over those of its turns in the run's held-out rows that fit.

    Those that the run was too short for do not. Where none does, a greeting is the one prompt.
    """
    tokenize, room = load_tokenize(run.base), run.recipe["max_length"]

    def ids_before(transcript: Transcript) -> list[int]:
        return prompt_ids(transcript, role, tokenize, run.markers)

    def fits(case: EvalTask) -> bool:
        return len(ids_before(case.history)) + len(tokenize(segment(case.reference).content, False)) < room

    fitting = subsample([case for case in eval_tasks(run.held_out(), role) if fits(case)], most)
    hello = Prompt(ids_before(Transcript((), (UserTurn("hello"),))), None)
    return [Prompt(ids_before(case.history), case) for case in fitting] or [hello]


def record(
    run: Run, model: Any, role: Role, prompts: Sequence[Prompt], place: Path, say: Say, header: int = 0
) -> Reference:
    """Let `model` write a turn of `role` after each of `prompts`; the logits go to a file in `place`.

    With `header` it is a peft model with the role's activated adapter.
    """
    speaker, end = GreedyDecoder(model, header), marker_id(run.base, run.markers)
    tick = Ticker(say)
    texts: list[list[int]] = []
    width = 0
    path = place / f"{role}-{header}.logits"
    with path.open("wb") as file:
        for prompt in prompts:
            text, logits = speaker.write(prompt.ids, end, LONGEST_TURN)
            file.write(np.ascontiguousarray(logits, "<f4").data)
            texts.append(text)
            width = logits.shape[1]
            tick(f"{role}: torch wrote {len(texts)} of {len(prompts)} turns")
    logits = np.memmap(path, "<f4", "r", shape=(sum(map(len, texts)), width))
    return Reference(role, prompts, texts, logits, path, end, header)
