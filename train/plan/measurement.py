"""The speed of training, measured: a few steps on the first layers of a model in the base's shape.

Weights are random, since speed does not depend on their values, and the base's own are not read. The time of
a step is that of its layers and that of the rest (head, loss, embedding); two depths tell them apart.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from agent.errors import InputError
from train.loop.optimizer import make_optimizer
from train.loop.out_of_memory import split_passes
from train.loop.processes import Processes
from train.loop.trainer import accumulate_gradients, take_step
from train.model.loading import NO_CODE, cannot_load
from train.model.lora import LoraModel
from train.model.packing import Packed
from train.plan.shape import Shape
from train.plan.speed import Rates, workload_of
from train.recipe import Recipe
from train.run.files import BACKBONE

DEPTHS = (1, 4)
"""Numbers of layers that are timed, limited to those of the base."""
MEASURED_SECONDS = 4.0
"""Minimum time in seconds of the measured steps, long enough to average over the load of the machine."""
MEASURED_PASSES = 3
"""The least number of measured passes; each is computed at both depths."""
MOST_OPERATIONS = 2e11
"""Upper limit of the operations of a measured step on a CPU, a second or two on two cores."""


@dataclass
class _Measured:
    """What was computed at one depth."""

    depth: int
    seconds: float = 0.0
    layer_operations: float = 0.0
    head_operations: float = 0.0


def measure_rates(recipe: Recipe, shape: Shape, passes: Sequence[Sequence[Packed]]) -> Rates:
    """Train on some of `passes` for a few seconds; return the speed of the recipe on this machine.

    Raise InputError where the base cannot be trained.
    """
    lora = replace(recipe.lora, targets=tuple({name.rpartition(".")[2] for name in recipe.lora.targets}))
    with tempfile.TemporaryDirectory(prefix="umi-plan-") as folder:
        _write_shallow(Path(recipe.base), Path(folder), min(DEPTHS[-1], shape.layers))
        try:
            model = LoraModel(replace(recipe, base=folder, lora=lora))
        except InputError as error:
            raise InputError(error.what.replace(folder, recipe.base), error.hint) from None
    optimizer = make_optimizer(model.parameters, recipe, BACKBONE, model.device)
    processes = Processes(recipe.device)

    def step(batch: list[Packed], depth: int) -> float:
        labels = sum(packed.label_count for packed in batch)
        started = perf_counter()
        with model.first_layers(depth):
            loss = accumulate_gradients(model, [batch], max(1, labels))
            take_step(model, optimizer, loss, recipe.max_grad_norm, processes)
        return perf_counter() - started

    measured = [_Measured(depth) for depth in sorted({min(depth, shape.layers) for depth in DEPTHS})]
    chosen = [cut(recipe, shape, batch, model.device.type) for batch in _spread(passes)]
    for part in measured:
        step(chosen[0], part.depth)  # The first step of a process compiles and allocates.
    started, count = perf_counter(), 0
    while count < MEASURED_PASSES or perf_counter() - started < MEASURED_SECONDS:
        batch = chosen[count % len(chosen)]
        work = workload_of(recipe, shape, [batch])
        for part in measured if count % 2 else reversed(measured):
            part.seconds += step(batch, part.depth)
            part.layer_operations += work.layer_operations * part.depth / shape.layers
            part.head_operations += work.head_operations
        count += 1
    return _rates(measured)


def _rates(measured: Sequence[_Measured]) -> Rates:
    """Return the seconds an operation of layers and of the rest; one rate where two cannot be told apart."""
    shallow, deep = measured[0], measured[-1]
    operations = deep.layer_operations - shallow.layer_operations
    if operations > 0:
        layer = (deep.seconds - shallow.seconds) / operations
        head = (shallow.seconds - layer * shallow.layer_operations) / shallow.head_operations
        if layer > 0 and head > 0:
            return Rates(layer, head)
    both = deep.seconds / (deep.layer_operations + deep.head_operations)
    return Rates(both, both)


def _write_shallow(base: Path, folder: Path, layers: int) -> None:
    """Write a checkpoint of random weights: the base's shape, with its first `layers` layers."""
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    try:
        config: Any = AutoConfig.from_pretrained(base, **NO_CODE).get_text_config()
    except (OSError, ValueError) as error:
        raise cannot_load(base, "cannot be trained", error) from None
    config.num_hidden_layers = layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]
    model = AutoModelForCausalLM.from_config(config, dtype=config.dtype or "float32", trust_remote_code=False)
    model.save_pretrained(folder)


def _spread(passes: Sequence[Sequence[Packed]], count: int = 8) -> list[Sequence[Packed]]:
    """Return up to `count` of the passes, evenly spaced."""
    return list(passes[:: -(-len(passes) // count)])


def cut(recipe: Recipe, shape: Shape, batch: Sequence[Packed], device: str) -> list[Packed]:
    """Return a part of a pass of at most `MOST_OPERATIONS` at the greater depth; on a GPU the whole pass.

    A part of one row is not cut further.
    """
    part, depth = list(batch), min(DEPTHS[-1], shape.layers)
    while device == "cpu":
        work = workload_of(recipe, shape, [part])
        halves = split_passes([part], 1)
        operations = work.layer_operations * depth / shape.layers + work.head_operations
        if operations <= MOST_OPERATIONS or len(halves) == 1:
            break
        part = max(halves, key=lambda half: sum(map(len, half)))
    return part
