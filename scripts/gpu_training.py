"""Training as `make gpu-check` measures it: the losses of first steps on two devices, then both stages."""

from __future__ import annotations

import gc
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from agent.transcript import ROLES
from agent.transcript.rows import read_rows
from train.benchmark.memory_worker import most_resident
from train.loop.batches import steps_from
from train.loop.held_out import stage_view
from train.loop.optimizer import make_optimizer
from train.loop.pipeline import train
from train.loop.processes import Processes
from train.loop.progress import Say
from train.loop.trainer import accumulate_gradients, take_step
from train.model.lora import AdapterState, LoraModel
from train.model.special_tokens import marked_tokenize
from train.recipe import Recipe
from train.run.files import BACKBONE, METRICS, STAGE
from train.run.metrics_log import records

COMPARED_STEPS = 3
COMPARED_TOKENS = 1024
"""Tokens of a compared micro-batch, so that few processor cores suffice."""
COMPARED_RATE = 1e-4
TOLERANCE = 0.01
"""The largest relative difference of a loss between the devices, both in float32. The first loss is of equal
weights; before the later ones a GPU's optimizer rounded its moments to 8 bits."""


def recipe_of(base: Path, data: Path, out: Path, device: str, steps: int) -> Recipe:
    """Return the recipe of a check: NF4 with double quantization, rank 16, paged 8-bit AdamW on a GPU.

    Stage 1 takes two fifths of `steps`, each role one fifth, and every stage at least one step.
    """
    part = max(1, steps // 5)
    return Recipe.from_json(
        {
            "base": str(base),
            "data": [str(data)],
            "out": str(out),
            "device": device,
            "optimizer": "paged_adamw_8bit" if device == "cuda" else "adamw",
            "heldout_rows": 8,
            "evaluations": 0,
            BACKBONE: {"learning_rate": 1e-3, "max_steps": max(1, steps - 3 * part)},
            **{role: {"learning_rate": 5e-4, "max_steps": part} for role in ROLES},
        }
    )


def compare_losses(recipe: Recipe) -> dict[str, Any]:
    """Return the losses of the first steps on the CPU and on the recipe's device, and how far they differ."""
    short = replace(recipe, precision="float32", micro_batch_tokens=COMPARED_TOKENS)
    on_cpu, start = _first_losses(replace(short, device="cpu", optimizer="adamw"), None)
    on_device, _ = _first_losses(short, start)
    differences = [abs(there - here) / here for here, there in zip(on_cpu, on_device, strict=True)]
    return {
        "of": {"cpu": on_cpu, "cpu again" if recipe.device == "cpu" else recipe.device: on_device},
        "largest_relative_difference": max(differences),
        "tolerance": TOLERANCE,
        "equal": max(differences) <= TOLERANCE,
    }


def _first_losses(recipe: Recipe, start: AdapterState | None) -> tuple[list[float], AdapterState]:
    """Take the first steps of stage 1; return the loss of each, and the adapter that they started from.

    The adapter's start is drawn by the device's generator, so the second device is given that of the first.
    """
    model = LoraModel(recipe)
    if start is not None:
        model.set_adapter(start)
    start = model.adapter()
    tokenize = marked_tokenize(Path(recipe.base), recipe.markers)
    trained = [row for row in read_rows(Path(recipe.data[0])) if row.split == "train"]
    rows = stage_view(trained, BACKBONE, BACKBONE, recipe, tokenize).rows
    optimizer = make_optimizer(model.parameters, recipe, BACKBONE, model.device)
    for group in optimizer.param_groups:
        group["lr"] = COMPARED_RATE
    losses = []
    for micro_batches in islice(steps_from(rows, recipe, BACKBONE, 0), COMPARED_STEPS):
        labels = sum(packed.label_count for batch in micro_batches for packed in batch)
        loss = accumulate_gradients(model, micro_batches, labels)
        losses.append(take_step(model, optimizer, loss, recipe.max_grad_norm, Processes(recipe.device))[0])
    return losses, start


def train_both_stages(recipe: Recipe, say: Say) -> dict[str, Any]:
    """Train stage 1 and the roles as `umi train glpft` does; return the figures of each, and peak memory.

    On a GPU the peak is of what torch allocates. What the device has in use afterwards also holds the CUDA
    context, paged optimizer states, torch's cache, and other programs. On a CPU it is the whole process.
    """
    gpu = recipe.device == "cuda"
    gc.collect()
    if gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    started = perf_counter()
    run = train(recipe, say)
    seconds = perf_counter() - started
    free, total = torch.cuda.mem_get_info() if gpu else (0, 0)
    logged = records(run / METRICS)
    stages = {name: _stage_figures(run / name, name, logged) for name in recipe.stages}
    return {
        "stages": stages,
        "seconds_with_loading": round(seconds, 1),
        "peak_bytes": torch.cuda.max_memory_allocated() if gpu else most_resident(),
        "peak_reserved_bytes": torch.cuda.max_memory_reserved() if gpu else None,
        "device_bytes_in_use": total - free if gpu else None,
    }


def _stage_figures(folder: Path, stage: str, logged: Sequence[dict[str, Any]]) -> dict[str, Any]:
    finished = json.loads((folder / STAGE).read_text(encoding="utf-8"))
    losses = [line["loss"] for line in logged if line["stage"] == stage and "loss" in line]
    return {
        "steps": finished["steps"],
        "tokens": finished["tokens"],
        "seconds": round(finished["seconds"], 2),
        "tokens_per_second": round(finished["tokens"] / finished["seconds"], 1),
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "heldout_loss_before": finished["heldout_loss_before"],
        "heldout_loss": finished["heldout_loss"],
    }
