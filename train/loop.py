"""The training loop of one adapter: AdamW, warmup, cosine, and checkpoints that a killed run goes on from."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from agent.encoding import Encoded
from agent.errors import UmiError
from train.batches import Step, steps_from, total_steps
from train.model import Trainee
from train.recipe import Recipe

FLOOR = 0.1
"""What the cosine leaves of the highest learning rate at the end."""

Say = Callable[[str], None]
"""Takes one line of progress."""


@dataclass(frozen=True)
class Outcome:
    """What a finished loop did."""

    steps: int
    tokens: int
    """Tokens computed, shared prefixes once a sequence."""
    seconds: float
    """Time of all steps, those before a restart included."""
    loss: float
    """Mean loss a label over the last tenth of the steps."""


def rate_at(step: int, total: int, recipe: Recipe, highest: float) -> float:
    """The learning rate of a step (counted from 0) of `total`."""
    warmup = math.ceil(total * recipe.warmup)
    if step < warmup:
        return highest * (step + 1) / warmup
    if recipe.schedule == "constant":
        return highest
    done = (step - warmup) / max(1, total - warmup)
    return highest * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * done)))


def train_adapter(
    model: Trainee, rows: Sequence[Encoded], stage: str, recipe: Recipe, checkpoint: Path, say: Say
) -> Outcome:
    """Train the model's adapter on `rows`, or go on from `checkpoint` where it exists.

    Raises UmiError where the loss is not a number.
    """
    highest = recipe.stage(stage).learning_rate
    total = total_steps(rows, recipe, stage)
    optimizer = torch.optim.AdamW(
        model.parameters, lr=highest, weight_decay=recipe.weight_decay, fused=model.device.type == "cuda"
    )
    torch.manual_seed(recipe.seed)
    step, tokens, seconds, losses = 0, 0, 0.0, []
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        model.set_adapter(state["adapter"])
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"])
        if "cuda_rng" in state and model.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda_rng"])
        step, tokens, seconds, losses = state["step"], state["tokens"], state["seconds"], state["losses"]
        say(f"{stage}: going on at step {step}/{total}")
    begun, begun_tokens, before = time.monotonic(), tokens, seconds
    for passes in steps_from(rows, recipe, stage, step):
        if step >= total:
            break
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, total, recipe, highest)
        losses.append(one_step(model, optimizer, passes, recipe.max_grad_norm))
        step += 1
        tokens += sum(len(packed) for batch in passes for packed in batch)
        seconds = before + time.monotonic() - begun
        if not math.isfinite(losses[-1]):
            raise UmiError(
                f"{stage}: the loss is not a number at step {step}", f"lower {stage}.learning_rate"
            )
        if step % recipe.log_steps == 0 or step == total:
            recent = sum(losses[-recipe.log_steps :]) / len(losses[-recipe.log_steps :])
            speed = (tokens - begun_tokens) / max(1e-9, seconds - before)
            left = seconds / step * (total - step)
            say(f"{stage}: step {step}/{total}  loss {recent:.4f}  {speed:,.0f} tokens/s  {clock(left)} left")
        if step % recipe.checkpoint_steps == 0 or step == total:
            state = {"adapter": model.adapter(), "optimizer": optimizer.state_dict(), "step": step}
            state |= {"tokens": tokens, "seconds": seconds, "losses": losses, "rng": torch.get_rng_state()}
            if model.device.type == "cuda":
                state["cuda_rng"] = torch.cuda.get_rng_state()
            save_whole(checkpoint, state)
    last = losses[-max(1, total // 10) :]
    return Outcome(total, tokens, seconds, sum(last) / len(last))


def one_step(model: Trainee, optimizer: torch.optim.Optimizer, passes: Step, max_norm: float) -> float:
    """One optimizer step; returns the mean loss a label. Every label of the step weighs the same."""
    learnt = max(1, sum(packed.learnt for batch in passes for packed in batch))
    optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for batch in passes:
        loss = model.loss_sum(batch) / learnt
        loss.backward()
        total += loss.item()
    torch.nn.utils.clip_grad_norm_(model.parameters, max_norm)
    optimizer.step()
    return total


def save_whole(path: Path, value: Any) -> None:
    """`torch.save` that leaves either the old file or the new one, whenever it is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        torch.save(value, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def clock(seconds: float) -> str:
    """A duration for people: `45s`, `3m10s`, `2h05m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
