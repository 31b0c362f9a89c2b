"""The training loop of one adapter: AdamW, warmup, cosine schedule, and checkpoints to resume from.

A micro-batch that does not fit into memory is split, with the same rows in the same step; a step whose
gradients are NaN or infinite is skipped; the adapter that scored best on held-out rows is kept.
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
from train.loop.out_of_memory import is_out_of_memory, split_micro_batches
from train.loop.processes import Processes
from train.loop.progress import Progress, Say, StepProgress
from train.model.lora import LoraModel
from train.recipe import STAGES, Recipe
from train.run.checkpoint import load_checkpoint, save_checkpoint
from train.run.metrics_log import MetricsLog

FINAL_FRACTION = 0.1
"""The learning rate at the end of the cosine schedule, as a fraction of the peak."""
MAX_SKIPPED = 3
"""Number of consecutive steps with NaN or infinite gradients that ends the run."""


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation on held-out rows."""

    rank: tuple[float, ...]
    """The key that evaluations are compared by; the largest is the best."""
    scores: Mapping[str, Any]
    summary: str
    """The scores as text."""


@dataclass(frozen=True)
class TrainingResult:
    """The metrics of a finished stage."""

    steps: int
    tokens: int
    """Tokens computed; a shared prefix counts once a sequence."""
    seconds: float
    """Time of all steps, those before a resumption included, evaluations not."""
    loss: float
    """Mean cross-entropy, in nats a label, over the last tenth of the steps."""
    kept_step: int
    """The step whose adapter is kept: the one that scored best, or the last one."""
    scores: Mapping[str, Any]
    """The scores of that step; empty if nothing was evaluated."""


@dataclass
class TrainerState:
    """The state that a checkpoint holds beside adapter and optimizer."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    halvings: int = 0
    """Number of times that micro-batches are halved because they did not fit into memory."""
    best: dict[str, Any] | None = None
    """`rank`, `step`, `scores` and `adapter` of the best evaluation."""


def learning_rate_at(step: int, total: int, recipe: Recipe, peak: float) -> float:
    """Return the learning rate of a step (counted from 0) of `total`: linear warmup to `peak`, then decay."""
    warmup = math.ceil(total * recipe.warmup)
    if step < warmup:
        return peak * (step + 1) / warmup
    if recipe.schedule == "constant":
        return peak
    progress = (step - warmup) / max(1, total - warmup)
    return peak * (FINAL_FRACTION + (1 - FINAL_FRACTION) * 0.5 * (1 + math.cos(math.pi * progress)))


class Trainer:
    """Trains the adapter of one stage."""

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
        metrics_log: MetricsLog | None = None,
        evaluate: Callable[[], Evaluation] | None = None,
    ) -> None:
        """Train on `rows`; `checkpoint` is the file to save to and resume from.

        `evaluate` scores the model in its present state; without it the last adapter is kept.
        """
        self._model, self._rows, self._stage, self._recipe = model, rows, stage, recipe
        self._checkpoint, self._say = checkpoint, say
        self._metrics_log, self._evaluate = metrics_log, evaluate
        self._processes = processes or Processes()
        self._total = total_steps(rows, recipe, stage)
        count = recipe.evaluations if evaluate else 0
        self._evaluated_at = {round(self._total * (n + 1) / count) for n in range(count)}
        self._optimizer = make_optimizer(model.parameters, recipe, stage, model.device)
        self._state = TrainerState()

    def run(self) -> TrainingResult:
        """Train from the checkpoint, or from the start if there is none; leave the kept adapter in the model.

        Raise UmiError where gradients stay NaN or infinite, or one row does not fit into memory.
        """
        recipe, stage = self._recipe, self._stage
        self._resume()
        state = self._state
        progress = Progress(stage, self._total, state.step, self._say)
        skipped, started, tokens_before, seconds_before = 0, time.monotonic(), state.tokens, state.seconds
        try:
            for micro_batches in steps_from(self._rows, recipe, stage, state.step):
                if state.step >= self._total:
                    break
                torch.manual_seed(self._seed())
                rate = learning_rate_at(state.step, self._total, recipe, recipe.stage(stage).learning_rate)
                for group in self._optimizer.param_groups:
                    group["lr"] = rate
                loss, norm = self._step(micro_batches, progress)
                state.step += 1
                state.tokens += sum(len(packed) for batch in micro_batches for packed in batch)
                state.seconds = seconds_before + time.monotonic() - started
                skipped = 0 if math.isfinite(norm) else skipped + 1
                if skipped:
                    self._skip(skipped, progress)
                else:
                    state.losses.append(loss)
                speed = (state.tokens - tokens_before) / max(1e-9, state.seconds - seconds_before)
                self._report(progress, rate, norm, speed)
                if state.step in self._evaluated_at:
                    paused = time.monotonic()
                    self._evaluate_model(progress)
                    started += time.monotonic() - paused
                if state.step % recipe.checkpoint_steps == 0 or state.step == self._total:
                    self._save()
        finally:
            progress.close()
        return self._finish()

    def _seed(self) -> int:
        """Return the seed of a step's dropout: a resumed run repeats it, and processes differ in it."""
        parts = [self._recipe.seed, STAGES.index(self._stage), self._state.step, self._processes.rank]
        return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)

    def _step(self, micro_batches: Step, progress: Progress) -> tuple[float, float]:
        """Take one optimizer step; return the mean cross-entropy a label and the norm of the gradients."""
        shard = self._processes.shard(micro_batches, self._recipe.micro_batch_tokens)
        labels = max(1, sum(packed.label_count for batch in micro_batches for packed in batch))
        while True:
            try:
                loss = accumulate_gradients(
                    self._model, split_micro_batches(shard, self._state.halvings), labels
                )
                break
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            halvings = self._state.halvings
            if self._processes.is_sharded:
                raise UmiError(  # the other processes wait for this one, and do not split theirs
                    f"{self._stage}: a micro-batch does not fit into memory at step {self._state.step + 1}",
                    "lower micro_batch_tokens, or set gradient_checkpointing = true",
                )
            if len(split_micro_batches(shard, halvings + 1)) == len(split_micro_batches(shard, halvings)):
                raise UmiError(
                    f"{self._stage}: one row does not fit into memory at step {self._state.step + 1}",
                    "lower max_length, or set gradient_checkpointing = true",
                ) from None
            self._state.halvings = halvings + 1
            if self._model.device.type == "cuda":
                torch.cuda.empty_cache()
            times = 2**self._state.halvings
            progress.say(
                f"out of memory: micro-batches are split into {times}, accumulated over {times} times as many"
            )
        return take_step(self._model, self._optimizer, loss, self._recipe.max_grad_norm, self._processes)

    def _skip(self, skipped: int, progress: Progress) -> None:
        progress.say(f"step {self._state.step}: the gradients are NaN or infinite; the step is skipped")
        if skipped >= MAX_SKIPPED:
            raise UmiError(
                f"{self._stage}: NaN or infinite gradients in {MAX_SKIPPED} steps in a row, up to step"
                f" {self._state.step}",
                f"lower {self._stage}.learning_rate, or set precision = float32",
            )

    def _report(self, progress: Progress, rate: float, norm: float, speed: float) -> None:
        state, every = self._state, self._recipe.log_steps
        recent = state.losses[-every:]
        loss = sum(recent) / len(recent) if recent else math.nan
        left = state.seconds / state.step * (self._total - state.step)
        log = state.step % every == 0 or state.step in (1, self._total)
        if self._processes.is_main:
            progress.show_step(StepProgress(state.step, self._total, loss, speed, left), log=log)
            if log and self._metrics_log:
                values = {"loss": loss, "learning_rate": rate, "gradient_norm": norm}
                self._metrics_log.add(self._stage, state.step, **values, tokens_per_second=round(speed, 1))

    def _evaluate_model(self, progress: Progress) -> None:
        state = self._state
        if self._processes.runs_model and self._evaluate:
            evaluation = self._evaluate()
            progress.say(f"step {state.step}/{self._total}, held out: {evaluation.summary}")
            if self._metrics_log and self._processes.is_main:
                self._metrics_log.add(self._stage, state.step, scores=evaluation.scores)
            if state.best is None or list(evaluation.rank) >= list(state.best["rank"]):
                state.best = {
                    "rank": list(evaluation.rank),
                    "step": state.step,
                    "scores": dict(evaluation.scores),
                    "adapter": self._model.adapter(),
                }
        self._processes.wait()

    def _resume(self) -> None:
        if not self._checkpoint.exists():
            if self._metrics_log and self._processes.is_main:
                self._metrics_log.discard_after(self._stage, 0)
            return
        saved = load_checkpoint(self._checkpoint)
        self._model.set_adapter(saved["adapter"])
        self._optimizer.load_state_dict(saved["optimizer"])
        self._state = TrainerState(**saved["state"])
        if self._processes.is_sharded:
            self._state.halvings = 0  # halved, processes would not have as many micro-batches as each other
        if self._metrics_log and self._processes.is_main:
            self._metrics_log.discard_after(self._stage, self._state.step)
        self._say(f"{self._stage}: resuming at step {self._state.step}/{self._total}")

    def _save(self) -> None:
        if self._processes.is_main:
            saved = {"adapter": self._model.adapter(), "optimizer": self._optimizer.state_dict()}
            saved |= {"state": dict(vars(self._state))}
            save_checkpoint(self._checkpoint, saved)
        self._processes.wait()

    def _finish(self) -> TrainingResult:
        state, best = self._state, self._state.best
        if best:
            self._model.set_adapter(best["adapter"])
        last = state.losses[-max(1, self._total // 10) :]
        loss = sum(last) / len(last) if last else math.nan
        kept_step, scores = (best["step"], best["scores"]) if best else (self._total, {})
        return TrainingResult(self._total, state.tokens, state.seconds, loss, kept_step, scores)


def accumulate_gradients(model: LoraModel, micro_batches: Step, labels: int) -> float:
    """Compute the gradients of a step's mean loss; return the share of these micro-batches in that mean.

    `labels` is the number of labels of the whole step, over all processes: each weighs the same.
    """
    for parameter in model.parameters:
        parameter.grad = None
    total = 0.0
    for batch in micro_batches:
        loss = model.loss_sum(batch) / labels
        loss.backward()
        total += loss.item()
    return total


def take_step(
    model: LoraModel, optimizer: torch.optim.Optimizer, loss: float, max_norm: float, processes: Processes
) -> tuple[float, float]:
    """Sum the gradients over all processes, and take the step unless they are NaN or infinite.

    Return the loss and the norm of the gradients before it is clipped to `max_norm`; NaN where no step was
    taken.
    """
    if processes.world_size > 1:
        for parameter in model.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        losses = torch.tensor([loss], device=model.device)
        processes.all_reduce([*(p.grad for p in model.parameters if p.grad is not None), losses])
        loss = losses.item()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters, max_norm).item()
    if math.isfinite(norm) and math.isfinite(loss):
        optimizer.step()
        return loss, norm
    return loss, math.nan
