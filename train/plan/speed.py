"""The time of a stage: from the speed that a run logged, or from its operations and this machine's rate."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from train.model.packing import Packed
from train.plan.memory import PassSize, adapter_parameters, size_of
from train.plan.shape import Shape
from train.recipe import Recipe
from train.run.files import METRICS, RECIPE
from train.run.metrics_log import records

CHECKPOINTING_FACTOR = 0.6
"""Factor of gradient checkpointing on that share on a CPU, where freed memory is returned at once."""
PROBE_SECONDS = 0.5
"""Duration of the measurement of the machine's rate."""


@dataclass(frozen=True)
class Workload:
    """The tokens and operations of a list of passes."""

    tokens: int
    """A shared prefix counts once a sequence."""
    targets: int
    operations: float
    """Multiplications and additions."""


def workload_of(recipe: Recipe, shape: Shape, passes: Iterable[Sequence[Packed]]) -> Workload:
    """Return the tokens and operations of `passes`."""
    tokens = targets = 0
    operations = 0.0
    for batch in passes:
        size = size_of(batch)
        tokens += size.tokens
        targets += size.targets
        operations += operations_of(recipe, shape, size)
    return Workload(tokens, targets, operations)


def operations_of(recipe: Recipe, shape: Shape, size: PassSize) -> float:
    """Return the operations of a pass and its backward pass.

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
    head = 2 * shape.vocabulary * shape.width * size.targets
    return (2 + recomputed) * body + (3 + recomputed) * adapter + 2 * head + (3.5 + recomputed) * attention


def logged_speed(recipe: Recipe, stage: str) -> float | None:
    """Return the tokens a second that the run, or one beside it on the same base, logged last, or None.

    The stage's own speed takes precedence over that of other stages, and the run's own over that of other
    runs.
    """
    run = Path(recipe.out)
    siblings = sorted(path.parent for path in run.parent.glob(f"*/{METRICS}")) if run.parent.is_dir() else []
    for folder in [run, *(other for other in siblings if other != run)]:
        if not (folder / METRICS).is_file() or (folder != run and not _computes_alike(folder, recipe)):
            continue
        speeds = {
            line["stage"]: float(line["tokens_per_second"])
            for line in records(folder / METRICS)
            if line.get("tokens_per_second")
        }
        if speeds:
            return speeds.get(stage, next(reversed(speeds.values())))
    return None


def _computes_alike(folder: Path, recipe: Recipe) -> bool:
    """Return whether the run in `folder` computes like the recipe's."""
    try:
        other = json.loads((folder / RECIPE).read_text(encoding="utf-8"))["recipe"]
    except (OSError, ValueError, KeyError):
        return False
    fields = recipe.to_json()
    return all(
        other.get(name) == fields[name]
        for name in ("base", "quantization", "precision", "gradient_checkpointing", "adapter")
    )


def step_efficiency(recipe: Recipe, device: str, mixed: bool) -> float:
    """Return the share of the rate of matrix products that a whole step reaches.

    CPU: measured 0.22 to 0.61 in bfloat16, 0.56 to 0.89 in float32, with layers of 256 to 1,024 and one
    thread; the smaller the layers, the less. With gradient checkpointing 0.21 to 0.44. GPU: not measured.
    """
    share = 0.65 if device == "cpu" and not mixed else 0.45
    return share * (CHECKPOINTING_FACTOR if recipe.gradient_checkpointing and device == "cpu" else 1)


def product_rate(shape: Shape, tokens: int, device: str, mixed: bool) -> float:
    """Measure the operations a second of a product of `tokens` rows with the base's feed-forward weights."""
    import torch

    dtype = torch.bfloat16 if mixed else torch.float32
    rows = torch.ones(min(tokens, 1024), shape.width, dtype=dtype, device=device)
    weights = torch.ones(shape.ffn_width, shape.width, dtype=dtype, device=device)

    def multiply() -> None:
        torch.nn.functional.linear(rows, weights)
        if device == "cuda":
            torch.cuda.synchronize()

    multiply()
    started, times = time.perf_counter(), 0
    while not times or time.perf_counter() - started < PROBE_SECONDS:
        multiply()
        times += 1
    return 2 * rows.numel() * shape.ffn_width * times / (time.perf_counter() - started)
