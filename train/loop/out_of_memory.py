"""Splitting of micro-batches that do not fit into memory; the rows and gradients of a step stay the same."""

from __future__ import annotations

import torch

from train.loop.batches import Step
from train.model.packing import Packed, split_in_two

_MESSAGES = ("can't allocate memory", "out of memory", "alloc_failed", "not enough memory")


def split_micro_batches(micro_batches: Step, times: int) -> Step:
    """Return the same rows in micro-batches halved `times` times; a micro-batch of one row stays whole."""
    for _ in range(times):
        micro_batches = [part for batch in micro_batches for part in _split_micro_batch(batch)]
    return micro_batches


def _split_micro_batch(batch: list[Packed]) -> list[list[Packed]]:
    if len(batch) == 1:
        return [[part] for part in split_in_two(batch[0])]
    middle = len(batch) // 2
    return [batch[:middle], batch[middle:]]


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether `error` reports that torch or Python could not allocate memory."""
    message = str(error).lower()
    return isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)) or any(
        text in message for text in _MESSAGES
    )
