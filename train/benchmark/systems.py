"""What is compared: trainers that pass over the same rows, and umi's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Protocol

import torch

from agent.prompting.encoding import Encoded
from train.benchmark.comparison import STAGE
from train.loop.batches import epoch_steps, fill
from train.loop.loop import accumulate, take_step
from train.loop.optimizer import make_optimizer
from train.loop.processes import Processes
from train.model.lora import LoraModel
from train.model.packing import pack
from train.recipe import Recipe


@dataclass(frozen=True)
class Untrained:
    """What a trainer is about to learn, before its first step."""

    rows: int
    """Sequences, as the trainer counts them."""
    targets: int
    """Tokens with a label that a loss is computed of."""
    computed: int
    """Tokens that pass through the layers in an epoch, padding among them."""
    loss: float
    """Mean cross-entropy a target token, from the trainer's own loss."""


@dataclass(frozen=True)
class Epoch:
    """One timed pass over all rows."""

    seconds: float
    cpu_seconds: float
    """Of all threads: on a busy machine it varies less than `seconds`. Says nothing about a GPU."""
    steps: int
    loss: float
    """Mean of the steps' losses."""


class System(Protocol):
    """A trainer with a model of its own."""

    def untrained(self) -> Untrained:
        """Compute the loss of every row once, without learning."""
        ...

    def epoch(self) -> Epoch:
        """Learn every row once."""
        ...


class Umi:
    """The two stages' own steps: rows packed by tool list, logits at target positions only."""

    def __init__(self, recipe: Recipe, rows: Sequence[Encoded]) -> None:
        self._recipe, self._rows = recipe, rows
        self._model = LoraModel(recipe)
        self._optimizer = make_optimizer(self._model.parameters, recipe, STAGE, self._model.device)
        self._alone = Processes(recipe.device)
        self._epochs = 0

    def untrained(self) -> Untrained:
        """As in System."""
        most = self._recipe.micro_batch_tokens
        packs = list(pack(self._rows, most))
        loss = self._model.mean_loss(fill(packs, most))
        targets = sum(packed.learnt for packed in packs)
        return Untrained(len(self._rows), targets, sum(map(len, packs)), loss)

    def epoch(self) -> Epoch:
        """As in System."""
        clock = Clock()
        steps = epoch_steps(self._rows, self._recipe, STAGE, self._epochs)
        losses: list[float] = []
        for passes in steps:
            loss = accumulate(self._model, passes, sum(packed.learnt for batch in passes for packed in batch))
            norm = self._recipe.max_grad_norm
            losses.append(take_step(self._model, self._optimizer, loss, norm, self._alone)[0])
        self._epochs += 1
        return Epoch(*clock.read(), len(steps), sum(losses) / len(losses))


class Clock:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self._wall, self._cpu = perf_counter(), process_time()

    def read(self) -> tuple[float, float]:
        """Seconds, and seconds of processor time; what a GPU was given is done by then."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return perf_counter() - self._wall, process_time() - self._cpu
