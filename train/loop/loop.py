"""The training loop of one adapter: AdamW, warmup, cosine, and checkpoints that a killed run goes on from.

A pass that does not fit into memory is halved, with the same rows in the same step; a step whose gradients
are no numbers is skipped; the adapter that scored best on held-out rows is the one that is kept.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agent.errors import UmiError
from agent.prompting.encoding import Encoded
from train.loop.batches import Step, steps_from, total_steps
from train.loop.optimizer import make_optimizer
from train.loop.out_of_memory import halved, out_of_memory
from train.loop.processes import Processes
from train.loop.progress import Progress, Say, Tick
from train.model.lora import LoraModel
from train.recipe import STAGES, Recipe
from train.run.checkpoint import load_whole, save_whole
from train.run.metrics_log import MetricsLog

FLOOR = 0.1
"""What the cosine leaves of the highest learning rate at the end."""
PATIENCE = 3
"""So many steps in a row whose gradients are no numbers end the run."""


@dataclass(frozen=True)
class Scored:
    """What an evaluation found; `rank` decides which of several is the best, the higher the better."""

    rank: tuple[float, ...]
    scores: Mapping[str, Any]
    summary: str
    """What a person is told of it."""


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
    kept_step: int
    """The step whose adapter is kept: the last one, or the one that scored best."""
    scores: Mapping[str, Any]
    """What that one scored; empty where nothing was scored."""


@dataclass
class State:
    """What a checkpoint holds beside adapter and optimizer."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    halvings: int = 0
    """How often passes are halved, since they did not fit into memory."""
    best: dict[str, Any] | None = None
    """`rank`, `step`, `scores` and `adapter` of the best evaluation."""


def rate_at(step: int, total: int, recipe: Recipe, highest: float) -> float:
    """The learning rate of a step (counted from 0) of `total`."""
    warmup = math.ceil(total * recipe.warmup)
    if step < warmup:
        return highest * (step + 1) / warmup
    if recipe.schedule == "constant":
        return highest
    done = (step - warmup) / max(1, total - warmup)
    return highest * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * done)))


class Loop:
    """The steps of one stage. `evaluate` scores the model as it is; without it the last adapter is kept."""

    def __init__(
        self,
        model: LoraModel,
        rows: Sequence[Encoded],
        stage: str,
        recipe: Recipe,
        checkpoint: Path,
        say: Say,
        *,
        processes: Processes | None = None,
        course: MetricsLog | None = None,
        evaluate: Callable[[], Scored] | None = None,
    ) -> None:
        self._model, self._rows, self._stage, self._recipe = model, rows, stage, recipe
        self._checkpoint, self._say, self._course, self._evaluate = checkpoint, say, course, evaluate
        self._processes = processes or Processes()
        self._total = total_steps(rows, recipe, stage)
        count = recipe.evaluations if evaluate else 0
        self._scored_at = {round(self._total * (n + 1) / count) for n in range(count)}
        self._optimizer = make_optimizer(model.parameters, recipe, stage, model.device)
        self._state = State()

    def run(self) -> Outcome:
        """Train from the start, or from the checkpoint where there is one, and leave the model as it is kept.

        Raises UmiError where the gradients stay without numbers or memory does not suffice.
        """
        recipe, stage = self._recipe, self._stage
        self._resume()
        state = self._state
        progress = Progress(stage, self._total, state.step, self._say)
        skipped, begun, begun_tokens, before = 0, time.monotonic(), state.tokens, state.seconds
        try:
            for passes in steps_from(self._rows, recipe, stage, state.step):
                if state.step >= self._total:
                    break
                torch.manual_seed(self._seed())
                rate = rate_at(state.step, self._total, recipe, recipe.stage(stage).learning_rate)
                for group in self._optimizer.param_groups:
                    group["lr"] = rate
                loss, norm = self._step(passes, progress)
                state.step += 1
                state.tokens += sum(len(packed) for batch in passes for packed in batch)
                state.seconds = before + time.monotonic() - begun
                skipped = 0 if math.isfinite(norm) else skipped + 1
                if skipped:
                    self._skip(skipped, progress)
                else:
                    state.losses.append(loss)
                speed = (state.tokens - begun_tokens) / max(1e-9, state.seconds - before)
                self._tell(progress, rate, norm, speed)
                if state.step in self._scored_at:
                    self._score(progress)
                if state.step % recipe.checkpoint_steps == 0 or state.step == self._total:
                    self._save()
        finally:
            progress.close()
        return self._finish()

    def _seed(self) -> int:
        """Of a step's dropout: with it a run goes on alike in each process, though only one writes files."""
        parts = [self._recipe.seed, STAGES.index(self._stage), self._state.step, self._processes.index]
        return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)

    def _step(self, passes: Step, progress: Progress) -> tuple[float, float]:
        """One optimizer step: the mean loss a label, and the gradients' norm."""
        mine = self._processes.share(passes, self._recipe.micro_batch_tokens)
        learnt = max(1, sum(packed.learnt for batch in passes for packed in batch))
        while True:
            try:
                loss = accumulate(self._model, halved(mine, self._state.halvings), learnt)
                break
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
            if len(halved(mine, self._state.halvings + 1)) == len(halved(mine, self._state.halvings)):
                raise UmiError(
                    f"{self._stage}: one row does not fit into memory at step {self._state.step + 1}",
                    "lower max_length, or set gradient_checkpointing = true",
                ) from None
            self._state.halvings += 1
            if self._model.device.type == "cuda":
                torch.cuda.empty_cache()
            times = 2**self._state.halvings
            progress.say(f"not enough memory: passes are cut into {times}, with {times} times as many a step")
        return take_step(self._model, self._optimizer, loss, self._recipe.max_grad_norm, self._processes)

    def _skip(self, skipped: int, progress: Progress) -> None:
        progress.say(f"step {self._state.step}: gradients that are no numbers; the step is left out")
        if skipped >= PATIENCE:
            raise UmiError(
                f"{self._stage}: the gradients are no numbers in {PATIENCE} steps in a row, up to step"
                f" {self._state.step}",
                f"lower {self._stage}.learning_rate, or set precision = float32",
            )

    def _tell(self, progress: Progress, rate: float, norm: float, speed: float) -> None:
        state, every = self._state, self._recipe.log_steps
        recent = state.losses[-every:]
        loss = sum(recent) / len(recent) if recent else math.nan
        left = state.seconds / state.step * (self._total - state.step)
        log = state.step % every == 0 or state.step in (1, self._total)
        if self._processes.first:
            progress.tick(Tick(state.step, self._total, loss, speed, left), log=log)
            if log and self._course:
                values = {"loss": loss, "learning_rate": rate, "gradient_norm": norm}
                self._course.add(self._stage, state.step, **values, tokens_per_second=round(speed, 1))

    def _score(self, progress: Progress) -> None:
        state = self._state
        if self._processes.first and self._evaluate:
            scored = self._evaluate()
            progress.say(f"step {state.step}/{self._total}, held out: {scored.summary}")
            if self._course:
                self._course.add(self._stage, state.step, scores=scored.scores)
            if state.best is None or list(scored.rank) >= list(state.best["rank"]):
                kept = {"rank": list(scored.rank), "step": state.step, "scores": dict(scored.scores)}
                state.best = {**kept, "adapter": self._model.adapter()}
        self._processes.wait()

    def _resume(self) -> None:
        if not self._checkpoint.exists():
            if self._course and self._processes.first:
                self._course.go_on_from(self._stage, 0)
            return
        saved = load_whole(self._checkpoint)
        self._model.set_adapter(saved["adapter"])
        self._optimizer.load_state_dict(saved["optimizer"])
        self._state = State(**saved["state"])
        if self._course and self._processes.first:
            self._course.go_on_from(self._stage, self._state.step)
        self._say(f"{self._stage}: going on at step {self._state.step}/{self._total}")

    def _save(self) -> None:
        if self._processes.first:
            saved = {"adapter": self._model.adapter(), "optimizer": self._optimizer.state_dict()}
            saved |= {"state": dict(vars(self._state))}
            save_whole(self._checkpoint, saved)
        self._processes.wait()

    def _finish(self) -> Outcome:
        state, best = self._state, self._state.best
        if best:
            self._model.set_adapter(best["adapter"])
        last = state.losses[-max(1, self._total // 10) :]
        loss = sum(last) / len(last) if last else math.nan
        kept, scores = (best["step"], best["scores"]) if best else (self._total, {})
        return Outcome(self._total, state.tokens, state.seconds, loss, kept, scores)


def accumulate(model: LoraModel, passes: Step, learnt: int) -> float:
    """Leave the gradients of a step's mean loss in the model's parameters; returns the share of these passes.

    `learnt` is the number of labels of the whole step: each weighs the same.
    """
    for parameter in model.parameters:
        parameter.grad = None
    total = 0.0
    for batch in passes:
        loss = model.loss_sum(batch) / learnt
        loss.backward()
        total += loss.item()
    return total


def take_step(
    model: LoraModel, optimizer: torch.optim.Optimizer, loss: float, max_norm: float, processes: Processes
) -> tuple[float, float]:
    """Add up what all processes computed, and take the step unless its gradients are no numbers.

    Returns the loss and the gradients' norm before it is scaled down to `max_norm`.
    """
    if processes.count > 1:
        for parameter in model.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        losses = torch.tensor([loss], device=model.device)
        processes.add_up([*(p.grad for p in model.parameters if p.grad is not None), losses])
        loss = losses.item()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters, max_norm).item()
    if math.isfinite(norm) and math.isfinite(loss):
        optimizer.step()
        return loss, norm
    return loss, math.nan
