"""The interface of a benchmarked trainer, and umi's own trainer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Protocol

import torch

from agent.prompting.encoding import Encoded
from train.loop.batches import epoch_steps, make_micro_batches
from train.loop.optimizer import make_optimizer
from train.loop.processes import Processes
from train.loop.trainer import accumulate_gradients, take_step
from train.model.lora import LoraModel
from train.model.packing import pack
from train.recipe import Recipe
from train.run.files import BACKBONE


@dataclass(frozen=True)
class Untrained:
    """What a trainer counts and computes on the rows before it trains."""

    rows: int
    """Sequences, as the trainer counts them."""
    targets: int
    """Target tokens."""
    computed: int
    """Tokens that pass through the layers in an epoch, with padding."""
    loss: float
    """Mean cross-entropy a target token, from the trainer's own loss."""


@dataclass(frozen=True)
class Epoch:
    """One timed pass over all rows."""

    seconds: float
    cpu_seconds: float
    """Processor time of all threads; it varies less than `seconds` on a busy machine. Not of a GPU."""
    steps: int
    loss: float
    """Mean of the steps' losses."""


class System(Protocol):
    """A trainer with a model of its own."""

    def untrained(self) -> Untrained:
        """Compute the loss of every row, without training."""
        ...

    def epoch(self) -> Epoch:
        """Train on every row once."""
        ...


class Umi:
    """umi's own optimizer steps: rows packed by tool list, logits at labels only."""

    def __init__(self, recipe: Recipe, rows: Sequence[Encoded]) -> None:
        self._recipe, self._rows = recipe, rows
        self._model = LoraModel(recipe)
        self._optimizer = make_optimizer(self._model.parameters, recipe, BACKBONE, self._model.device)
        self._processes = Processes(recipe.device)
        self._epochs = 0

    def untrained(self) -> Untrained:
        """As in System."""
        max_tokens = self._recipe.micro_batch_tokens
        packs = list(pack(self._rows, max_tokens))
        loss = self._model.mean_loss(make_micro_batches(packs, max_tokens))
        targets = sum(packed.label_count for packed in packs)
        return Untrained(len(self._rows), targets, sum(map(len, packs)), loss)

    def epoch(self) -> Epoch:
        """As in System."""
        clock = Clock()
        steps = epoch_steps(self._rows, self._recipe, BACKBONE, self._epochs)
        losses: list[float] = []
        for micro_batches in steps:
            loss = accumulate_gradients(
                self._model,
                micro_batches,
                sum(packed.label_count for batch in micro_batches for packed in batch),
            )
            norm = self._recipe.max_grad_norm
            losses.append(take_step(self._model, self._optimizer, loss, norm, self._processes)[0])
        self._epochs += 1
        return Epoch(*clock.read(), len(steps), sum(losses) / len(losses))


class Clock:
    """Measures the time since its creation."""

    def __init__(self) -> None:
        self._wall, self._cpu = perf_counter(), process_time()

    def read(self) -> tuple[float, float]:
        """Return seconds and seconds of processor time, after a GPU has finished its work."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return perf_counter() - self._wall, process_time() - self._cpu
