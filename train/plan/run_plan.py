"""The plan of a run, before anything is loaded: its steps, memory and time (`umi train run RECIPE --plan`).

It reads the base's config, its tokenizer and the headers of its weights, the rows, and the run folder; where
the run has logged no speed, it is measured. Memory on a CPU is as `train.model.cpu_memory` leaves it.
Evaluations (`train.loop.held_out`) are in neither the time nor the memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agent.llama.binding.hardware import available_bytes
from agent.transcript.rows import read_rows
from train.data.splits import rows_to_train, split
from train.data.views import View
from train.loop.batches import steps_from, total_steps
from train.loop.held_out import stage_view
from train.loop.pipeline import check_stage, is_finished
from train.loop.progress import format_duration
from train.model.base_model import mixed_precision, pick_device
from train.model.packing import Packed
from train.model.special_tokens import marked_tokenize
from train.plan.measurement import measure_speed
from train.plan.memory import Estimate, adapter_parameters, estimate
from train.plan.shape import Shape, read_shape
from train.plan.speed import SecondsPerFlop, Workload, logged_speed, workload_of
from train.recipe import Recipe
from train.run.files import BACKBONE, CHECKPOINTS, HELD_OUT

LOW_LEARNING_RATE = 1e-5
"""Learning rate below which LoRA hardly learns: it needs about ten times those of full fine-tuning,
1e-5 to 5e-5."""
TIMED_STEPS = 64
"""Steps of which some micro-batches are timed; steps are in random order."""


@dataclass(frozen=True)
class StagePlan:
    """The plan of a stage that is not finished."""

    stage: str
    rows: int
    """Number of trajectories, or of target turns if each is a row of its own; see `train.data.views.View`."""
    trimmed: int
    too_long: int
    without_targets: int
    steps: int
    """Optimizer steps of the whole stage."""
    done: int
    """Steps that the checkpoint has done; tokens, targets and seconds are of the others."""
    tokens: int
    targets: int
    trained: int
    """Number of parameters of the adapter."""
    seconds: float
    memory: Estimate


@dataclass(frozen=True)
class Plan:
    """The stages of a run that are not finished."""

    base: str
    parameters: int
    device: str
    precision: str
    quantization: str
    train_rows: int
    heldout_rows: int
    finished: tuple[str, ...]
    stages: tuple[StagePlan, ...]
    timed_by: str
    """The source of the times."""
    free: int | None
    """Free bytes on the device; None if unknown."""
    warnings: tuple[str, ...]

    @property
    def memory(self) -> int:
        """Bytes at the peak of the stage that needs most."""
        return max((stage.memory.total for stage in self.stages), default=0)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON, in bytes and seconds."""
        stages = [{**asdict(stage), "memory": stage.memory.to_json()} for stage in self.stages]
        return {**asdict(self), "stages": stages, "memory": self.memory}

    def lines(self) -> Iterator[str]:
        """Yield the plan as lines of text."""
        yield (
            f"base      {self.base}: {self.parameters:,} parameters, quantization {self.quantization},"
            f" {self.precision} products on {self.device}"
        )
        yield f"rows      {self.train_rows:,} to train on, {self.heldout_rows:,} held out"
        for stage in self.finished:
            yield f"{stage}: finished"
        for stage in self.stages:
            yield from _stage_lines(stage)
        if self.stages:
            largest = max(self.stages, key=lambda stage: stage.memory.total)
            free = "" if self.free is None else f", {_gigabytes(self.free)} free"
            yield f"memory    about {_gigabytes(self.memory)} at most, in {largest.stage}{free}"
            seconds = sum(stage.seconds for stage in self.stages)
            yield f"time      about {format_duration(seconds)} without evaluations, by {self.timed_by}"
        for warning in self.warnings:
            yield f"warning: {warning}"


def plan_run(recipe: Recipe, only: str | None = None, *, again: bool = False) -> Plan:
    """Return what `train.loop.pipeline.train` would do with the same arguments.

    Raise InputError where it would, except where the run folder is another recipe's: that takes hashing the
    weights.
    """
    check_stage(recipe, only, again=again)
    run = Path(recipe.out)
    device = pick_device(recipe.device)
    mixed = mixed_precision(recipe.precision, device)
    tokenize = marked_tokenize(Path(recipe.base), recipe.markers)
    shape = read_shape(Path(recipe.base))
    rows = rows_to_train([Path(path) for path in recipe.data])
    held_out_file = run / HELD_OUT
    known = list(read_rows(held_out_file)) if only and held_out_file.exists() else None
    train_rows, held_out = split(rows, recipe.heldout_rows, known)
    wanted = [only] if only else list(recipe.stages)
    finished = [stage for stage in wanted if is_finished(run, stage, recipe, only, again=again)]
    warnings: list[str] = []
    stages: list[StagePlan] = []
    timer = _StageTimer(recipe, shape)
    for stage in wanted:
        if stage in finished:
            continue
        stage_rows = stage_view(train_rows, stage, stage, recipe, tokenize)
        warnings += _row_warnings(stage_rows, stage, len(train_rows), recipe)
        if stage_rows.rows:
            stages.append(_plan_stage(recipe, stage, stage_rows, shape, timer, device.type, mixed))
    if free := _free_bytes(device.type):
        warnings += _memory_warnings(stages, free, recipe)
    return Plan(
        base=recipe.base,
        parameters=shape.parameters,
        device=device.type,
        precision="bfloat16" if mixed else "float32",
        quantization=recipe.quantization,
        train_rows=len(train_rows),
        heldout_rows=len(held_out),
        finished=tuple(finished),
        stages=tuple(stages),
        timed_by="steps of a few layers that were measured now"
        if timer.rates
        else "the speed that was logged",
        free=free,
        warnings=tuple(warnings),
    )


class _StageTimer:
    """Times stages by the speed that the run logged, else by one measurement for all."""

    def __init__(self, recipe: Recipe, shape: Shape) -> None:
        self._recipe, self._shape = recipe, shape
        self.rates: SecondsPerFlop | None = None
        """The measured speed; None as long as nothing had to be measured."""

    def seconds(self, stage: str, micro_batches: Sequence[Sequence[Packed]], workload: Workload) -> float:
        """Return the time of `workload`, of which `micro_batches` are a part; empty where nothing is left."""
        if speed := logged_speed(self._recipe, stage):
            return workload.tokens / speed
        if self.rates is None:
            self.rates = (
                measure_speed(self._recipe, self._shape, micro_batches)
                if micro_batches
                else SecondsPerFlop(0, 0)
            )
        return self.rates.seconds(workload)


def _plan_stage(
    recipe: Recipe, stage: str, stage_rows: View, shape: Shape, timer: _StageTimer, device: str, mixed: bool
) -> StagePlan:
    """Return the plan of a stage from its checkpoint on. `device` and `mixed` are as in `estimate`."""
    steps = total_steps(stage_rows.rows, recipe, stage)
    done = min(steps, steps_done(Path(recipe.out), stage))

    def micro_batches(start: int, end: int) -> Iterator[list[Packed]]:
        chosen = itertools.islice(steps_from(stage_rows.rows, recipe, stage, start), end - start)
        return itertools.chain.from_iterable(chosen)

    workload = workload_of(recipe, shape, micro_batches(done, steps))
    seconds = timer.seconds(stage, list(micro_batches(done, min(steps, done + TIMED_STEPS))), workload)
    computed = micro_batches(done, steps) if done < steps else micro_batches(0, 1)
    stacked = stage != BACKBONE and BACKBONE in recipe.stages and recipe.hand_over == "stack"
    return StagePlan(
        stage=stage,
        rows=len(stage_rows.rows),
        trimmed=stage_rows.trimmed,
        too_long=stage_rows.too_long,
        without_targets=stage_rows.without_targets,
        steps=steps,
        done=done,
        tokens=workload.tokens,
        targets=workload.targets,
        trained=adapter_parameters(recipe, shape),
        seconds=seconds,
        memory=estimate(recipe, shape, computed, device, mixed, stacked=stacked),
    )


def steps_done(run: Path, stage: str) -> int:
    """Return the steps that a stage's checkpoint has done; its tensors are not read."""
    checkpoint = run / CHECKPOINTS / f"{stage}.pt"
    if not checkpoint.exists():
        return 0
    import torch

    saved = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    return int(saved["state"]["step"])


def _free_bytes(device: str) -> int | None:
    if device == "cpu":
        return available_bytes()
    import torch

    return torch.cuda.mem_get_info()[0]


def _row_warnings(stage_rows: View, stage: str, rows: int, recipe: Recipe) -> Iterator[str]:
    if not stage_rows.rows:
        yield f"no training row of {stage} fits max_length = {recipe.max_length}, or none has a turn of it"
        return
    if 2 * stage_rows.too_long > rows:
        yield (
            f"{stage}: {stage_rows.too_long:,} of {rows:,} rows are too long and dropped; raise max_length"
            f" above {recipe.max_length}"
        )
    if 2 * stage_rows.without_targets > rows:
        yield f"{stage}: {stage_rows.without_targets:,} of {rows:,} rows have no turn of it and are dropped"
    settings = recipe.stage(stage)
    if settings.learning_rate < LOW_LEARNING_RATE:
        yield (
            f"{stage}.learning_rate = {settings.learning_rate:g} is low for an adapter; 1e-4 to 2e-4 is usual"
        )


def _memory_warnings(stages: Sequence[StagePlan], free: int, recipe: Recipe) -> Iterator[str]:
    needed = max((stage.memory.total for stage in stages), default=0)
    if needed <= free:
        return
    options = []
    if not recipe.gradient_checkpointing:
        options.append("gradient_checkpointing = true")
    if recipe.quantization == "none":
        options.append("quantization = nf4")
    longest = min(recipe.max_length, recipe.micro_batch_tokens)
    options.append(f"micro_batch_tokens below {recipe.micro_batch_tokens}")
    if longest > 1024:
        options.append(f"max_length below {recipe.max_length}")
    yield (
        f"{_gigabytes(needed)} of memory is more than the {_gigabytes(free)} that are free;"
        f" set {', or '.join(options)}"
    )


def _stage_lines(stage: StagePlan) -> Iterator[str]:
    left = stage.steps - stage.done
    going_on = f" of {stage.steps:,} (a checkpoint holds {stage.done:,})" if stage.done else ""
    yield (
        f"{stage.stage}: {left:,} steps{going_on}, {stage.tokens:,} tokens, {stage.targets:,} of them"
        f" targets; {stage.trained:,} parameters trained; about {format_duration(stage.seconds)}"
    )
    yield (
        f"  rows    {stage.rows:,}; {stage.trimmed:,} truncated; dropped: {stage.too_long:,} too long,"
        f" {stage.without_targets:,} without a turn of the role"
    )
    parts = {name: size for name, size in stage.memory.to_json().items() if size and name != "total"}
    listed = ", ".join(f"{name} {_gigabytes(size)}" for name, size in parts.items())
    yield f"  memory  {_gigabytes(stage.memory.total)}: {listed}"


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
