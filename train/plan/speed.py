"""The time of a stage: its floating-point operations, and their speed, logged by the run or measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from train.model.packing import Packed
from train.plan.memory import MicroBatchSize, adapter_parameters, size_of
from train.plan.shape import Shape
from train.recipe import Recipe
from train.run.files import METRICS
from train.run.metrics_log import records


@dataclass(frozen=True)
class Workload:
    """The tokens and floating-point operations of a list of micro-batches."""

    tokens: int
    """A shared prefix counts once a sequence."""
    targets: int
    layer_flops: float
    """Multiplications and additions of the decoder's layers."""
    head_flops: float
    """Those of the output head."""


@dataclass(frozen=True)
class SecondsPerFlop:
    """The inverse speed of training, in seconds per floating-point operation."""

    layer: float
    head: float

    def seconds(self, work: Workload) -> float:
        """Return the time of a list of micro-batches."""
        return self.layer * work.layer_flops + self.head * work.head_flops


def workload_of(recipe: Recipe, shape: Shape, micro_batches: Iterable[Sequence[Packed]]) -> Workload:
    """Return the tokens and operations of `micro_batches`."""
    tokens = targets = 0
    layers = head = 0.0
    for batch in micro_batches:
        size = size_of(batch)
        tokens += size.tokens
        targets += size.targets
        layers += layer_flops(recipe, shape, size)
        head += head_flops(shape, size)
    return Workload(tokens, targets, layers, head)


def head_flops(shape: Shape, size: MicroBatchSize) -> float:
    """Return the FLOPs of the output head, forward and backward: logits at labels only."""
    return 4 * shape.vocabulary * shape.width * size.targets


def layer_flops(recipe: Recipe, shape: Shape, size: MicroBatchSize) -> float:
    """Return the FLOPs of the layers, forward and backward.

    A weight costs two operations a token forward and two for its input's gradient; a trained one two more
    (Kaplan et al. 2020, arXiv 2001.08361, section 2.1). Attention costs four for each pair of positions and
    element of a head forward, and 2.5 times that backward, where flash attention computes scores again (arXiv
    2307.08691). Gradient checkpointing adds a forward pass.
    """
    recomputed = 1 if recipe.gradient_checkpointing else 0
    pairs = sum(prefix * prefix / 2 for prefix in size.prefixes)
    pairs += sum(count * longest * (prefix + longest) for count, longest, prefix in size.branches)
    attention = 4 * pairs * shape.heads * shape.head_width * shape.layers
    body = 2 * shape.linear_parameters * size.tokens
    adapter = 2 * adapter_parameters(recipe, shape) * size.tokens
    return (2 + recomputed) * body + (3 + recomputed) * adapter + (3.5 + recomputed) * attention


def logged_speed(recipe: Recipe, stage: str) -> float | None:
    """Return the tokens a second that the run logged last, in this stage or else in another; None without."""
    log = Path(recipe.out) / METRICS
    if not log.is_file():
        return None
    speeds = {
        line["stage"]: float(line["tokens_per_second"])
        for line in records(log)
        if line.get("tokens_per_second")
    }
    return speeds.get(stage, next(reversed(speeds.values()))) if speeds else None
