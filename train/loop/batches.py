"""The micro-batches of each optimizer step: a function of rows, recipe, stage and step number.

So a resumed run continues with exactly the rows that would have come next. Rows are shuffled each epoch and
packed by tool list, and the packs are grouped into micro-batches without padding. A step accumulates the
gradients of several; they have different tool lists as far as there are enough.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence, Sized
from typing import TypeVar, overload

import numpy as np

from agent.prompting.encoding import Encoded
from train.model.packing import Group, Packed, group_rows, join
from train.recipe import STAGES, Recipe
from train.stored.encoded_rows import EncodedRows

Item = TypeVar("Item", bound=Sized)

Step = list[list[Packed]]
"""The micro-batches of one optimizer step (gradient accumulation), each a list of packed sequences."""
GroupedStep = list[list[Group[int]]]
"""A step before its rows are read: sequences as the indices of their rows."""


def make_micro_batches(packs: Sequence[Item], max_tokens: int) -> list[list[Item]]:
    """Return `packs` in micro-batches of at most `max_tokens` tokens; a longer pack is alone in one."""
    micro_batches: list[list[Item]] = []
    room = 0
    for packed in packs:
        if len(packed) > room or not micro_batches:
            micro_batches.append([])
            room = max_tokens
        micro_batches[-1].append(packed)
        room -= len(packed)
    return micro_batches


class EpochSteps(Sequence[Step]):
    """The steps of an epoch; the rows of one are read when it is asked for."""

    def __init__(self, rows: EncodedRows, steps: Sequence[GroupedStep]) -> None:
        self._rows, self._steps = rows, steps

    def __len__(self) -> int:
        return len(self._steps)

    @overload
    def __getitem__(self, index: int) -> Step: ...
    @overload
    def __getitem__(self, index: slice) -> EpochSteps: ...
    def __getitem__(self, index: int | slice) -> Step | EpochSteps:
        if isinstance(index, slice):
            return EpochSteps(self._rows, self._steps[index])
        return [
            [join([self._rows[at] for at in group.rows]) for group in batch] for batch in self._steps[index]
        ]


def epoch_steps(rows: Sequence[Encoded], recipe: Recipe, stage: str, epoch: int) -> EpochSteps:
    """Return the steps of one epoch (counted from 0)."""
    stored = EncodedRows.of(rows)
    rng = np.random.default_rng([recipe.seed, STAGES.index(stage), epoch])
    order = map(int, rng.permutation(len(stored)))
    groups = list(group_rows(order, stored.extent, recipe.micro_batch_tokens))
    shuffled = [groups[i] for i in rng.permutation(len(groups))]
    micro_batches = make_micro_batches(shuffled, recipe.micro_batch_tokens)
    steps = distribute(stored, micro_batches, math.ceil(len(micro_batches) / recipe.accumulation))
    return EpochSteps(stored, [steps[i] for i in rng.permutation(len(steps))])


def distribute(rows: EncodedRows, micro_batches: Sequence[list[Group[int]]], count: int) -> list[GroupedStep]:
    """Return `count` steps of about equally many micro-batches; those of one tool list are spread."""
    by_list: dict[bytes, list[list[Group[int]]]] = {}
    for batch in micro_batches:
        longest = max(batch, key=len)
        key = rows.prefix_key(longest.rows[0], longest.shared_tokens)
        by_list.setdefault(key, []).append(batch)
    steps: list[GroupedStep] = [[] for _ in range(count)]
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
    stored = EncodedRows.of(rows)
    for epoch in itertools.count():
        steps = epoch_steps(stored, recipe, stage, epoch)
        yield from steps[start:]
        start = max(0, start - len(steps))
