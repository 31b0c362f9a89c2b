"""LoRA adapters merged into a checkpoint: W + scale * B @ A, a block of rows at a time.

A checkpoint larger than memory is merged too: the adapters and one block are in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from agent.bundle.deltas.lora import Rows, add_lora
from agent.errors import InputError
from train.model.weights.adapter import LoraAdapter
from train.model.weights.reader import StoredTensor, list_tensors, narrow
from train.model.weights.writer import Blocks, write_checkpoint


def match_adapters(base: Path, adapters: Sequence[LoraAdapter], hint: str) -> dict[str, list[LoraAdapter]]:
    """Return the adapters of each weight of the checkpoint in `base` that they change.

    Raise InputError, with `hint` as the next step, where the base lacks such a weight or its shape differs.
    """
    shapes = {tensor.name: tensor.shape for tensor in list_tensors(base, floats_only=False)}
    updates: dict[str, list[LoraAdapter]] = {}
    for adapter in adapters:
        for name, (a, b) in adapter.pairs.items():
            if len(shapes.get(name, ())) != 2:
                raise InputError(f"{base} has no layer {name}", hint)
            outputs, inputs = len(b), a.shape[1]
            if (outputs, inputs) != shapes[name]:
                raise InputError(
                    f"{adapter.folder} changes a {name} of {outputs} x {inputs}, and that of {base} has"
                    f" {shapes[name][0]} x {shapes[name][1]}",
                    hint,
                )
            updates.setdefault(name, []).append(adapter)
    return updates


def merged_blocks(name: str, blocks: Iterable[Rows], adapters: Sequence[LoraAdapter]) -> Iterator[Rows]:
    """Yield `blocks`, the rows of the weight `name` in order, with the updates of `adapters` added."""
    first = 0
    for block in blocks:
        for adapter in adapters:
            add_lora(block, first, adapter.scale, *adapter.pairs[name])
        first += len(block)
        yield block


def finite_blocks(tensor: StoredTensor, step: int = 1) -> Iterator[Rows]:
    """Yield the blocks of a tensor. Raise InputError where one holds NaN or infinity."""
    for block in tensor.blocks(step):
        if not np.isfinite(block).all():
            raise InputError(f"{tensor.file}: {tensor.name} holds NaN or infinity", "get the base again")
        yield block


def merge_into_base(
    base: Path, adapter: LoraAdapter, out: Path, on_written: Callable[[int], None] = lambda _: None
) -> None:
    """Write the checkpoint in `base` with `adapter` merged in to the folder `out`, which appears whole.

    Sums are made in float32 and stored in the weight's own type; all other tensors are copied as they are.
    Raise InputError where the adapter does not fit, UmiError or OSError where `out` cannot be written.
    """
    hint = "use hand_over = stack, or save the base as transformers loads it"
    updates = match_adapters(base, [adapter], hint)

    def contents(tensor: StoredTensor) -> Blocks:
        if tensor.name not in updates:
            return tensor.raw_blocks()
        blocks = merged_blocks(tensor.name, finite_blocks(tensor), updates[tensor.name])
        return (narrow(block, tensor.dtype) for block in blocks)

    write_checkpoint(base, list_tensors(base, floats_only=False), contents, out, on_written=on_written)
