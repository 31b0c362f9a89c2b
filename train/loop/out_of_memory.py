"""Passes that do not fit into memory, cut in two: the same rows, and so the same step."""

from __future__ import annotations

import torch

from train.loop.batches import Step
from train.model.packing import Packed, halves


def halved(passes: Step, times: int) -> Step:
    """The same rows in passes cut in two so many times; a pass of one row stays whole."""
    for _ in range(times):
        passes = [part for batch in passes for part in _halves(batch)]
    return passes


def _halves(batch: list[Packed]) -> list[list[Packed]]:
    if len(batch) == 1:
        return [[part] for part in halves(batch[0])]
    middle = len(batch) // 2
    return [batch[:middle], batch[middle:]]


def out_of_memory(error: BaseException) -> bool:
    """Whether torch or Python raised `error` for want of memory."""
    said = str(error).lower()
    return isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)) or any(
        text in said
        for text in ("can't allocate memory", "out of memory", "alloc_failed", "not enough memory")
    )
