"""The process that `umi train bench memory` measures: a job as argument, figures on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from agent.errors import UmiError
from agent.prompting.encoding import Encoded
from train.benchmark.memory import PREFIX_SHARE, Job
from train.loop.batches import Step, make_micro_batches
from train.loop.optimizer import make_optimizer
from train.loop.processes import Processes
from train.loop.trainer import accumulate_gradients, take_step
from train.model.lora import LoraModel
from train.model.packing import pack
from train.plan.memory import estimate
from train.plan.shape import read_shape
from train.recipe import Recipe
from train.run.files import BACKBONE

TURN_TOKENS = 40
"""Maximum length of a target turn, in tokens."""


def measure(job: Job) -> dict[str, Any]:
    """Train for the steps of `job`; return its losses, seconds, and memory in bytes, None if unknown."""
    recipe = Recipe.from_json(
        {
            "base": job.base,
            "data": ["none"],
            "out": job.base,
            "quantization": job.quantization,
            "max_length": job.length,
            "micro_batch_tokens": job.length * job.micro_batch,
            "gradient_checkpointing": True,
        }
    )
    before = resident()
    model = LoraModel(recipe)
    loaded = torch.cuda.memory_allocated() if model.device.type == "cuda" else resident()
    loading = torch.cuda.max_memory_allocated() if model.device.type == "cuda" else most_resident()
    if model.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    micro_batches = batch(job)
    targets = sum(packed.label_count for packs in micro_batches for packed in packs)
    optimizer = make_optimizer(model.parameters, recipe, BACKBONE, model.device)
    started = perf_counter()
    losses: list[float] = []
    for _ in range(job.steps):
        loss = accumulate_gradients(model, micro_batches, targets)
        losses.append(take_step(model, optimizer, loss, recipe.max_grad_norm, Processes(recipe.device))[0])
    seconds = (perf_counter() - started) / job.steps
    gpu = model.device.type == "cuda"
    return {
        "target_tokens": targets,
        "losses": losses,
        "seconds_per_step": round(seconds, 2),
        "bytes": {
            "before_loading": None if gpu else before,
            "after_loading": loaded,
            "most_while_loading": loading,
            "most_while_training": torch.cuda.max_memory_allocated() if gpu else most_resident(),
            "most_reserved_by_torch": torch.cuda.max_memory_reserved() if gpu else None,
            "estimated_by_plan": estimated(recipe, micro_batches, model),
        },
    }


def estimated(recipe: Recipe, micro_batches: Step, model: LoraModel) -> int:
    """Return the bytes that `--plan` estimates for the same micro-batches."""
    return estimate(
        recipe, read_shape(Path(recipe.base)), micro_batches, model.device.type, model.mixed
    ).total


def batch(job: Job) -> Step:
    """Return a step over rows of random tokens, each with its own prefix and with target turns."""
    rng = np.random.default_rng(0)
    return make_micro_batches(list(pack(_rows(job, rng), job.length)), job.length * job.micro_batch)


def _rows(job: Job, rng: np.random.Generator) -> Iterator[Encoded]:
    before = int(job.length * PREFIX_SHARE)
    rest = job.length - before
    targets = job.length * job.target_share
    turn = min(TURN_TOKENS, targets)
    every = turn * rest / targets
    is_target = np.arange(rest) % every >= every - turn
    is_target[0] = False
    for _ in range(job.micro_batch):
        ids = rng.integers(0, job.vocabulary, job.length)
        yield Encoded(ids[:before], ids[before:], is_target)


def resident() -> int | None:
    """Return the resident memory of this process in bytes; None if the system does not report it."""
    return _status("VmRSS:")


def most_resident() -> int | None:
    """Return the peak of `resident` over the life of the process."""
    return _status("VmHWM:")


def _status(name: str) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
    except (OSError, StopIteration, ValueError):
        return None


def main(argument: str) -> int:
    """Do a job; 0 and its figures on stdout, or an exit code with one line on stderr."""
    try:
        print(json.dumps(measure(Job(**json.loads(argument)))))
    except UmiError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
