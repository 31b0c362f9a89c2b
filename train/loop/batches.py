"""The micro-batches of each optimizer step: a function of rows, recipe, stage and step number.

So a resumed run continues with exactly the rows that would have come next. Rows are shuffled each epoch and
packed by tool list, and the packs are grouped into micro-batches without padding. A step accumulates the
gradients of several; they have different tool lists as far as there are enough.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from agent.prompting.encoding import Encoded
from train.model.packing import PREFIX, Packed, pack
from train.recipe import STAGES, Recipe

Step = list[list[Packed]]
"""The micro-batches of one optimizer step (gradient accumulation), each a list of packed sequences."""


def make_micro_batches(packs: Sequence[Packed], max_tokens: int) -> list[list[Packed]]:
    """Return `packs` in micro-batches of at most `max_tokens` tokens; a longer pack is alone in one."""
    micro_batches: list[list[Packed]] = []
    room = 0
    for packed in packs:
        if len(packed) > room or not micro_batches:
            micro_batches.append([])
            room = max_tokens
        micro_batches[-1].append(packed)
        room -= len(packed)
    return micro_batches


def epoch_steps(rows: Sequence[Encoded], recipe: Recipe, stage: str, epoch: int) -> list[Step]:
    """Return the steps of one epoch (counted from 0)."""
    rng = np.random.default_rng([recipe.seed, STAGES.index(stage), epoch])
    packs = list(pack((rows[i] for i in rng.permutation(len(rows))), recipe.micro_batch_tokens))
    shuffled = [packs[i] for i in rng.permutation(len(packs))]
    micro_batches = make_micro_batches(shuffled, recipe.micro_batch_tokens)
    steps = distribute(micro_batches, math.ceil(len(micro_batches) / recipe.accumulation))
    return [steps[i] for i in rng.permutation(len(steps))]


def distribute(micro_batches: Sequence[list[Packed]], count: int) -> list[Step]:
    """Return `count` steps of about equally many micro-batches; those of one tool list are spread."""
    by_list: dict[bytes, list[list[Packed]]] = {}
    for batch in micro_batches:
        longest = max(batch, key=len)
        prefix = longest.input_ids[longest.branch_ids == PREFIX]
        by_list.setdefault(prefix.tobytes(), []).append(batch)
    steps: list[Step] = [[] for _ in range(count)]
    for number, batch in enumerate(itertools.chain.from_iterable(by_list.values())):
        steps[number % count].append(batch)
    return steps


def total_steps(rows: Sequence[Encoded], recipe: Recipe, stage: str) -> int:
    """Return the number of optimizer steps of a stage: its `max_steps`, or those of its epochs."""
    settings = recipe.stage(stage)
    if settings.max_steps > 0:
        return settings.max_steps
    whole = math.floor(settings.epochs)
    counts = [len(epoch_steps(rows, recipe, stage, epoch)) for epoch in range(math.ceil(settings.epochs))]
    part = round(counts[-1] * (settings.epochs - whole)) if len(counts) > whole else 0
    return max(1, sum(counts[:whole]) + part)


def steps_from(rows: Sequence[Encoded], recipe: Recipe, stage: str, start: int) -> Iterator[Step]:
    """Yield the steps of a stage from number `start` (counted from 0) on, without end."""
    for epoch in itertools.count():
        steps = epoch_steps(rows, recipe, stage, epoch)
        yield from steps[start:]
        start = max(0, start - len(steps))
