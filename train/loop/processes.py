"""Data-parallel training of one adapter by the processes of `accelerate launch`; usually there is just one.

Each process computes a share of every step's rows, and the gradients are summed, so that a step does not
depend on the number of processes, and neither does the recipe. The first process writes the files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from train.loop.batches import Step, fill
from train.model.packing import Packed, split_in_two


def is_first() -> bool:
    """Return whether this is the process with rank 0, the only one that prints."""
    return os.environ.get("RANK", "0") == "0"


class Processes:
    """The group of processes, and the place of this one in it."""

    def __init__(self, device: str = "auto") -> None:
        """Join the other processes, if there are any. `device` is the recipe's."""
        self.count, self.index = 1, 0
        self._state: Any = None
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            from accelerate import PartialState

            self._state = PartialState(cpu=device == "cpu" or not torch.cuda.is_available())
            self.count, self.index = self._state.num_processes, self._state.process_index

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and prints."""
        return self.index == 0

    def wait(self) -> None:
        """Wait until all processes have called this."""
        if self._state:
            self._state.wait_for_everyone()

    @contextmanager
    def first_before_others(self) -> Iterator[None]:
        """Run the body in the first process, then in the others, which can read what it wrote."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()

    def share(self, step: Step, max_tokens: int) -> Step:
        """Return this process's passes of a step, each of at most `max_tokens` tokens where rows allow it."""
        if self.count == 1:
            return step
        packs = [packed for batch in step for packed in batch]
        while len(packs) < self.count:
            longest = max(packs, key=len)
            parts = split_in_two(longest)
            if len(parts) == 1:
                break
            at = next(i for i, packed in enumerate(packs) if packed is longest)
            packs[at : at + 1] = parts
        shares: list[list[Packed]] = [[] for _ in range(self.count)]
        for packed in sorted(packs, key=len, reverse=True):
            min(shares, key=lambda share: sum(map(len, share))).append(packed)
        return fill(shares[self.index], max_tokens)

    def sum_over_processes(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace each tensor by its sum over all processes."""
        if self._state:
            for tensor in tensors:
                torch.distributed.all_reduce(tensor)
