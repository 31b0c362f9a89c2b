"""How long a stage takes: by what a run logged, or by the operations it needs and this machine's rate."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from train.model.packing import Packed
from train.plan.memory import Size, adapter_numbers, size_of
from train.plan.shape import Shape
from train.recipe import Recipe
from train.run.metrics_log import FILE, records

SLOWED = 0.6
"""What gradient checkpointing leaves of that share on a CPU, where memory is given back at once."""
PROBE_SECONDS = 0.5


@dataclass(frozen=True)
class Work:
    """What is left to compute."""

    tokens: int
    """Shared prefixes once a sequence."""
    targets: int
    operations: float
    """Multiplications and additions."""


def work_of(recipe: Recipe, shape: Shape, passes: Iterable[Sequence[Packed]]) -> Work:
    """The tokens and operations of `passes`."""
    tokens = targets = 0
    operations = 0.0
    for batch in passes:
        size = size_of(batch)
        tokens += size.tokens
        targets += size.targets
        operations += operations_of(recipe, shape, size)
    return Work(tokens, targets, operations)


def operations_of(recipe: Recipe, shape: Shape, size: Size) -> float:
    """Operations of a pass and its backward pass.

    A weight costs two operations a token forward and two for its input's gradient; a trained one two more
    (Kaplan et al. 2020, arXiv 2001.08361, section 2.1). Attention costs four for each pair and number of a
    head forward, and 2.5 times that backward, where flash attention computes scores again (arXiv 2307.08691).
    Checkpointing adds a forward pass.
    """
    again = 1 if recipe.gradient_checkpointing else 0
    pairs = sum(prefix * prefix / 2 for prefix in size.prefixes)
    pairs += sum(count * longest * (prefix + longest) for count, longest, prefix in size.branches)
    attention = 4 * pairs * shape.heads * shape.head_width * shape.layers
    body = 2 * shape.linear_parameters * size.tokens
    adapter = 2 * adapter_numbers(recipe, shape) * size.tokens
    head = 2 * shape.vocabulary * shape.width * size.targets
    return (2 + again) * body + (3 + again) * adapter + 2 * head + (3.5 + again) * attention


def logged_speed(recipe: Recipe, stage: str) -> float | None:
    """Tokens a second that the run, or another beside it on the same base, logged last; None where none did.

    The stage's own speed comes before that of other stages, the run's own before that of its neighbours.
    """
    run = Path(recipe.out)
    neighbours = sorted(path.parent for path in run.parent.glob(f"*/{FILE}")) if run.parent.is_dir() else []
    for folder in [run, *(other for other in neighbours if other != run)]:
        if not (folder / FILE).is_file() or (folder != run and not _alike(folder, recipe)):
            continue
        speeds = {
            line["stage"]: float(line["tokens_per_second"])
            for line in records(folder / FILE)
            if line.get("tokens_per_second")
        }
        if speeds:
            return speeds.get(stage, next(reversed(speeds.values())))
    return None


def _alike(folder: Path, recipe: Recipe) -> bool:
    """Whether the run in `folder` computes as the recipe's does."""
    try:
        theirs = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))["recipe"]
    except (OSError, ValueError, KeyError):
        return False
    mine = recipe.to_json()
    return all(
        theirs.get(name) == mine[name]
        for name in ("base", "quantization", "precision", "gradient_checkpointing", "adapter")
    )


def share_reached(recipe: Recipe, device: str, mixed: bool) -> float:
    """The share of the products' rate that a whole step reaches.

    CPU: measured 0.22 to 0.61 in bfloat16, 0.56 to 0.89 in float32, with layers of 256 to 1,024 and one
    thread; the smaller the layers, the less. With checkpointing 0.21 to 0.44. GPU: not measured.
    """
    share = 0.65 if device == "cpu" and not mixed else 0.45
    return share * (SLOWED if recipe.gradient_checkpointing and device == "cpu" else 1)


def product_rate(shape: Shape, tokens: int, device: str, mixed: bool) -> float:
    """Operations a second of a product of `tokens` rows with the base's feed-forward weights, tried now."""
    import torch

    kind = torch.bfloat16 if mixed else torch.float32
    one = torch.ones(min(tokens, 1024), shape.width, dtype=kind, device=device)
    other = torch.ones(shape.inner, shape.width, dtype=kind, device=device)

    def done() -> None:
        torch.nn.functional.linear(one, other)
        if device == "cuda":
            torch.cuda.synchronize()

    done()
    begun, times = time.perf_counter(), 0
    while not times or time.perf_counter() - begun < PROBE_SECONDS:
        done()
        times += 1
    return 2 * one.numel() * shape.inner * times / (time.perf_counter() - begun)
