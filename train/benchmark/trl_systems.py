"""TRL's SFTTrainer as a system of the benchmark: with its own loop, collator, packing and loss.

It gets token ids and labels, as it makes them itself of text, so that its target tokens are exactly umi's;
SDPA attention and no activation checkpointing, as umi; no logging, no checkpoints. Its adapter is float32 on
a 16- or 32-bit base; on a 4-bit base TRL casts it to bfloat16, without an option to change that.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from agent.prompting.encoding import Encoded
from train.benchmark.systems import Clock, Epoch, Untrained
from train.model.base_model import load_base, mixed_precision, pick_device
from train.model.loading import NO_CODE, silence_bitsandbytes
from train.model.packing import IGNORE
from train.recipe import Recipe
from train.run.files import BACKBONE


class Trl:
    """TRL's SFTTrainer, with about `steps` optimizer steps an epoch.

    With `packing` a micro-batch is one sequence of `micro_batch_tokens`, filled with whole rows that attend
    only to themselves (TRL's `bfd`); else it is `batch_size` rows of similar length, padded to the longest.
    """

    def __init__(
        self,
        recipe: Recipe,
        rows: Sequence[Encoded],
        steps: int,
        scratch: Path,
        *,
        packing: bool = False,
        batch_size: int = 1,
    ) -> None:
        silence_bitsandbytes()
        from datasets import (  # pyright: ignore[reportMissingImports]
            Dataset,
            disable_progress_bars,
        )
        from transformers import AutoTokenizer, PrinterCallback
        from transformers.utils.logging import set_verbosity_error
        from trl import SFTConfig, SFTTrainer  # pyright: ignore[reportMissingImports]

        disable_progress_bars()
        set_verbosity_error()
        # trl 1.16 uses a name of gradient checkpointing that transformers 5 deprecates.
        warnings.simplefilter("ignore", FutureWarning)
        self._timer = _timer()
        self._device = pick_device(recipe.device)
        self._mixed = mixed_precision(recipe.precision, self._device)
        model = load_base(recipe, self._device)
        model.set_attn_implementation("sdpa")
        pass_tokens = max(recipe.micro_batch_tokens, *map(len, rows))
        micro_batches = math.ceil(sum(map(len, rows)) / pass_tokens if packing else len(rows) / batch_size)
        self._trainer: Any = SFTTrainer(
            model=model,
            args=SFTConfig(
                output_dir=str(scratch),
                max_length=pass_tokens if packing else None,
                packing=packing,
                per_device_train_batch_size=batch_size,
                gradient_accumulation_steps=math.ceil(micro_batches / steps),
                train_sampling_strategy="group_by_length" if batch_size > 1 else "random",
                num_train_epochs=1,
                learning_rate=recipe.stage(BACKBONE).learning_rate,
                lr_scheduler_type="constant",
                weight_decay=recipe.weight_decay,
                max_grad_norm=recipe.max_grad_norm,
                gradient_checkpointing=recipe.gradient_checkpointing,
                bf16=self._mixed,
                use_cpu=self._device.type == "cpu",
                dataloader_pin_memory=self._device.type == "cuda",
                seed=recipe.seed,
                logging_strategy="no",
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list([example(row) for row in rows]),
            processing_class=AutoTokenizer.from_pretrained(recipe.base, **NO_CODE),
            peft_config=_adapter(recipe),
            callbacks=[self._timer],
        )
        # It prints metrics on stdout, where this benchmark prints its own.
        self._trainer.remove_callback(PrinterCallback)

    def untrained(self) -> Untrained:
        """As in System. The labels are counted in the batches that TRL makes, as its loss shifts them."""
        batches = list(self._trainer.get_train_dataloader())
        targets = sum(int((batch["labels"][:, 1:] != IGNORE).sum()) for batch in batches)
        rows = len(self._trainer.train_dataset)
        computed = sum(batch["input_ids"].numel() for batch in batches)
        self._trainer.model.train()
        total = torch.tensor(targets, device=self._device)
        with torch.no_grad(), torch.autocast(self._device.type, torch.bfloat16, enabled=self._mixed):
            loss = sum(
                float(self._trainer.compute_loss(self._trainer.model, batch, num_items_in_batch=total))
                for batch in batches
            )
        return Untrained(rows, targets, computed, loss)

    def epoch(self) -> Epoch:
        """As in System. The time is that from the first step to the last, without the set-up of `train`."""
        result = self._trainer.train()
        seconds, cpu_seconds = self._timer.read()
        return Epoch(seconds, cpu_seconds, result.global_step, result.training_loss)


def example(row: Encoded) -> dict[str, list[int]]:
    """Return a row as TRL has it after tokenizing: `labels` are the target ids, at their own positions."""
    labels = [IGNORE] * len(row)
    ids = row.ids.tolist()
    for at in row.target_positions.tolist():
        labels[at] = ids[at]
    return {"input_ids": ids, "labels": labels}


def _adapter(recipe: Recipe) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=recipe.lora.rank,
        lora_alpha=recipe.lora.alpha,
        lora_dropout=recipe.lora.dropout,
        target_modules=list(recipe.lora.targets) or "all-linear",
        task_type="CAUSAL_LM",
    )


def _timer() -> Any:
    """Return a callback of TRL's trainer that measures the time from the first step to the last."""
    from transformers import TrainerCallback

    class Timer(TrainerCallback):
        _clock: Clock
        _elapsed = (0.0, 0.0)

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self._clock = Clock()

        def on_train_end(self, *_: Any, **__: Any) -> None:
            self._elapsed = self._clock.read()

        def read(self) -> tuple[float, float]:
            return self._elapsed

    return Timer()
