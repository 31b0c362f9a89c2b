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
from train.loop.out_of_memory import split_micro_batches
from train.loop.processes import Processes
from train.loop.trainer import accumulate_gradients, take_step
from train.model.loading import NO_CODE, cannot_load
from train.model.lora import LoraModel
from train.model.packing import Packed
from train.plan.shape import Shape
from train.plan.speed import SecondsPerFlop, workload_of
from train.recipe import Recipe
from train.run.files import BACKBONE

DEPTHS = (1, 4)
"""Numbers of layers that are timed, limited to those of the base."""
MEASURED_SECONDS = 4.0
"""Minimum time in seconds of the measured steps, long enough to average over the load of the machine."""
MEASURED_MICRO_BATCHES = 3
"""The least number of measured micro-batches; each is computed at both depths."""
MAX_FLOPS = 2e11
"""Upper limit of the floating-point operations of a measured step on a CPU, a second or two on two cores."""


@dataclass
class _Measured:
    """What was computed at one depth."""

    depth: int
    seconds: float = 0.0
    layer_flops: float = 0.0
    head_flops: float = 0.0


def measure_speed(recipe: Recipe, shape: Shape, micro_batches: Sequence[Sequence[Packed]]) -> SecondsPerFlop:
    """Train on some of `micro_batches` for a few seconds; return the speed of the recipe on this machine.

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
    chosen = [cut(recipe, shape, batch, model.device.type) for batch in _spread(micro_batches)]
    for part in measured:
        step(chosen[0], part.depth)  # The first step of a process compiles and allocates.
    started, count = perf_counter(), 0
    while count < MEASURED_MICRO_BATCHES or perf_counter() - started < MEASURED_SECONDS:
        batch = chosen[count % len(chosen)]
        work = workload_of(recipe, shape, [batch])
        for part in measured if count % 2 else reversed(measured):
            part.seconds += step(batch, part.depth)
            part.layer_flops += work.layer_flops * part.depth / shape.layers
            part.head_flops += work.head_flops
        count += 1
    return _seconds_per_flop(measured)


def _seconds_per_flop(measured: Sequence[_Measured]) -> SecondsPerFlop:
    """Return the seconds per operation of layers and of the rest; equal where they cannot be told apart."""
    shallow, deep = measured[0], measured[-1]
    operations = deep.layer_flops - shallow.layer_flops
    if operations > 0:
        layer = (deep.seconds - shallow.seconds) / operations
        head = (shallow.seconds - layer * shallow.layer_flops) / shallow.head_flops
        if layer > 0 and head > 0:
            return SecondsPerFlop(layer, head)
    both = deep.seconds / (deep.layer_flops + deep.head_flops)
    return SecondsPerFlop(both, both)


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


def _spread(micro_batches: Sequence[Sequence[Packed]], count: int = 8) -> list[Sequence[Packed]]:
    """Return up to `count` of the micro-batches, evenly spaced."""
    return list(micro_batches[:: -(-len(micro_batches) // count)])


def cut(recipe: Recipe, shape: Shape, batch: Sequence[Packed], device: str) -> list[Packed]:
    """Return a part of a micro-batch of at most `MAX_FLOPS` at the greater depth; on a GPU all of it.

    A part of one row is not cut further.
    """
    part, depth = list(batch), min(DEPTHS[-1], shape.layers)
    while device == "cpu":
        work = workload_of(recipe, shape, [part])
        halves = split_micro_batches([part], 1)
        operations = work.layer_flops * depth / shape.layers + work.head_flops
        if operations <= MAX_FLOPS or len(halves) == 1:
            break
        part = max(halves, key=lambda half: sum(map(len, half)))
    return part
