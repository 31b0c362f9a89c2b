"""A base with adapters added, as a float32 checkpoint: read, added to and written a block of rows at a time.

The files are the base's, by name and by what they hold, so a checkpoint larger than memory is merged too: at
most a weight packed in 4 bits, the adapters and some blocks are in memory.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent.errors import InputError, UmiError, cannot_write
from export.gguf.adapter import load_adapter
from export.gguf.checkpoint import INDEX, Stored, list_tensors
from export.gguf.convert import read_config
from export.merge.nf4 import nf4_round_trip, rows_together
from export.run import Run

_TELL_EVERY_S = 5.0
_WIDTH = 4
"""Bytes of a float32."""
_ALIGNED = 8
"""What safetensors pads its header to."""


@dataclass(frozen=True)
class Update:
    """What one adapter adds to one weight: scale * up @ down."""

    scale: float
    down: Tensor
    """[rank, inputs], float32."""
    up: Tensor
    """[outputs, rank], float32."""


Updates = Mapping[str, Sequence[Update]]
"""What a stage's adapters add, by the weight's name in the base."""


def is_linear(tensor: Stored) -> bool:
    """Whether a tensor is the weight of a linear layer, which training keeps in 4 bits.

    In the families that export knows (`export/gguf/architectures.py`) every matrix inside a layer is; the embedding and
    the output head stay as they are.
    """
    return len(tensor.shape) == 2 and ".layers." in tensor.name


def read_updates(run: Run, stage: str) -> dict[str, list[Update]]:
    """What the adapters of a stage add to the base of a run.

    Raises InputError where an adapter is damaged, of a kind that cannot be merged, or of another base.
    """
    weights = {tensor.name: tensor.shape for tensor in list_tensors(run.base) if is_linear(tensor)}
    updates: dict[str, list[Update]] = {}
    for folder in run.adapters(stage):
        adapter = load_adapter(folder)
        if adapter.invocation:
            raise InputError(
                f"{folder} uses alora_invocation_tokens, which cannot be merged", "export a shared bundle"
            )
        for name, (down, up) in adapter.pairs.items():
            if name not in weights:
                raise InputError(f"{run.base} has no layer {name}", "use the base the run was made from")
            fits = len(up), down.shape[1]
            if fits != weights[name]:
                raise InputError(
                    f"{folder} changes a {name} of {fits[0]} x {fits[1]}, and that of {run.base} has"
                    f" {weights[name][0]} x {weights[name][1]}",
                    "use the base the run was made from",
                )
            updates.setdefault(name, []).append(Update(adapter.scale, down, up))
    return updates


def write_merged_checkpoint(
    run: Run,
    stage: str,
    merge_base: Literal["dequant", "original"],
    out: Path,
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """Write the base of a run with a stage's adapters added to the folder `out`, which appears whole.

    `dequant` adds to what the 4-bit base holds, `original` to the checkpoint's own weights. Raises InputError
    where an adapter does not fit or the base holds what is no number, UmiError where `out` cannot be written.
    """
    updates, tensors = read_updates(run, stage), list_tensors(run.base)
    quantized = merge_base == "dequant" and run.recipe["quantization"] == "nf4"

    def merged(tensor: Stored) -> Iterator[NDArray[np.float32]]:
        if quantized and is_linear(tensor):
            rows = _finite(tensor, rows_together(*tensor.shape))
            held = run.held_as(stage, tensor.dtype)
            blocks = nf4_round_trip(rows, held, double_quant=run.recipe["double_quant"])
        else:
            blocks = _finite(tensor)
        return _add(blocks, updates.get(tensor.name, ()))

    total = sum(map(_bytes, tensors))
    say(f"{stage}: adding its adapter to {merge_base} weights, {total / 1e6:.1f} MB in float32")
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    progress = _Progress(f"{stage}: merged", total, say)
    try:
        part.mkdir(parents=True)
        free = shutil.disk_usage(part).free
        if free < total:
            raise UmiError(
                f"merged, {stage} takes {total / 1e6:.0f} MB, and {out.parent} has {free / 1e6:.0f} MB free",
                "free space or write elsewhere",
            )
        for file, held in groupby(tensors, key=lambda tensor: tensor.file):
            _write_file(part / file.name, list(held), merged, progress)
        _describe(run.base, part, tensors)
        shutil.rmtree(out, ignore_errors=True)
        part.replace(out)
    except OSError as error:
        raise cannot_write(out, error) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return out


def _finite(tensor: Stored, step: int = 1) -> Iterator[NDArray[np.float32]]:
    for block in tensor.blocks(step):
        if not np.isfinite(block).all():
            raise InputError(f"{tensor.file}: {tensor.name} holds NaN or infinity", "get the base again")
        yield block


def _add(blocks: Iterable[NDArray[np.float32]], updates: Sequence[Update]) -> Iterator[NDArray[np.float32]]:
    """`blocks` of rows with what adapters add to them, computed for these rows only."""
    first = 0
    for block in blocks:
        rows = slice(first, first + len(block))
        for update in updates:
            torch.from_numpy(block).addmm_(update.up[rows], update.down, alpha=update.scale)
        first = rows.stop
        yield block


def _bytes(tensor: Stored) -> int:
    return prod(tensor.shape) * _WIDTH


def _write_file(
    file: Path,
    tensors: Sequence[Stored],
    contents: Callable[[Stored], Iterable[NDArray[np.float32]]],
    progress: _Progress,
) -> None:
    """Write `tensors` as a safetensors file in float32; the format is that of `export/gguf/checkpoint.py`."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for tensor in tensors:
        start, end = end, end + _bytes(tensor)
        header[tensor.name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [start, end]}
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % _ALIGNED)
    with file.open("wb") as opened:
        opened.write(len(head).to_bytes(8, "little") + head)
        for tensor in tensors:
            for block in contents(tensor):
                progress.add(opened.write(np.ascontiguousarray(block, "<f4").data))


def _describe(base: Path, out: Path, tensors: Sequence[Stored]) -> None:
    """Put beside the weights what transformers and `convert` read of a checkpoint."""
    config = {**read_config(base), "dtype": "float32"}
    config.pop("torch_dtype", None)
    (out / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    for file in (*base.glob("tokenizer*.json"), *base.glob("chat_template.jinja")):
        shutil.copy(file, out)
    if (base / INDEX).is_file():
        places = {tensor.name: tensor.file.name for tensor in tensors}
        index = {"metadata": {"total_size": sum(map(_bytes, tensors))}, "weight_map": places}
        (out / INDEX).write_text(json.dumps(index, indent=2), encoding="utf-8")


class _Progress:
    """Says how far a long writing is, once in a while."""

    def __init__(self, what: str, total: int, say: Callable[[str], None]) -> None:
        self._what, self._total, self._say = what, total, say
        self._done, self._told = 0, time.monotonic()

    def add(self, count: int) -> None:
        self._done += count
        if time.monotonic() - self._told > _TELL_EVERY_S:
            self._told = time.monotonic()
            self._say(f"{self._what} {self._done / 1e6:.0f} of {self._total / 1e6:.0f} MB")
