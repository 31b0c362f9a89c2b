"""Data-parallel training of one adapter by the processes of `accelerate launch`; usually there is just one.

Each process computes a shard of every step's rows, and the gradients are summed, so that a step does not
depend on the number of processes, and neither does the recipe. The main process writes the files. Where the
launch asks for FSDP, the frozen base is sharded too (`train.model.sharding`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from train.loop.batches import Step, make_micro_batches
from train.model.packing import Packed, split_in_two, without_labels


def is_main_process() -> bool:
    """Return whether this is the process with rank 0, the only one that prints."""
    return os.environ.get("RANK", "0") == "0"


class Processes:
    """The group of processes, and the rank of this one in it."""

    def __init__(self, device: str = "auto") -> None:
        """Join the other processes, if there are any. `device` is the recipe's."""
        self.world_size, self.rank = 1, 0
        self._state: Any = None
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            from accelerate import PartialState

            self._state = PartialState(cpu=device == "cpu" or not torch.cuda.is_available())
            self.world_size, self.rank = self._state.num_processes, self._state.process_index
        self.is_sharded = self.world_size > 1 and os.environ.get("ACCELERATE_USE_FSDP") == "true"
        """Whether the base is sharded (FSDP): all processes then run it at the same times."""

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and prints."""
        return self.rank == 0

    @property
    def runs_model(self) -> bool:
        """Whether this process runs the model for one result: all do where the base is sharded."""
        return self.is_main or self.is_sharded

    def wait(self) -> None:
        """Wait until all processes have called this."""
        if self._state:
            self._state.wait_for_everyone()

    @contextmanager
    def main_process_first(self) -> Iterator[None]:
        """Run the body in the main process (rank 0), then in the others, which can read what it wrote."""
        if not self.is_main:
            self.wait()
        yield
        if self.is_main:
            self.wait()

    def shard(self, step: Step, max_tokens: int) -> Step:
        """Return this process's micro-batches of a step, of at most `max_tokens` tokens where rows allow.

        Where the base is sharded, every process gets as many: those that would have fewer get some without
        labels.
        """
        if self.world_size == 1:
            return step
        packs = [packed for batch in step for packed in batch]
        while len(packs) < self.world_size:
            longest = max(packs, key=len)
            parts = split_in_two(longest)
            if len(parts) == 1:
                break
            at = next(i for i, packed in enumerate(packs) if packed is longest)
            packs[at : at + 1] = parts
        shards: list[list[Packed]] = [[] for _ in range(self.world_size)]
        for packed in sorted(packs, key=len, reverse=True):
            min(shards, key=lambda shard: sum(map(len, shard))).append(packed)
        if not self.is_sharded:
            return make_micro_batches(shards[self.rank], max_tokens)
        every = [make_micro_batches(shard, max_tokens) for shard in shards]
        own, count = every[self.rank], max(map(len, every))
        filler = [without_labels(min(packs, key=len))]
        return own + [filler] * (count - len(own))

    def all_reduce(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace each tensor by its sum over all processes."""
        if self._state:
            for tensor in tensors:
                torch.distributed.all_reduce(tensor)
