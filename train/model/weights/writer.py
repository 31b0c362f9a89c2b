"""A checkpoint folder written from the tensors of another one, a block at a time; it appears whole.

The files are those of the source: the same names, the same tensors in each. The format of a safetensors file
is described in `train.model.weights.reader`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.errors import UmiError
from agent.paths import replacing
from train.model.weights.reader import INDEX, StoredTensor, read_config

FLOAT32 = "F32"
_ALIGNMENT = 8
"""Bytes to a multiple of which safetensors pads its header."""
_COPIED = (".json", ".jinja", ".model", ".txt")
"""Files beside the weights that transformers and the GGUF converter read: configuration and tokenizer."""

Blocks = Iterable[NDArray[Any]]


def write_checkpoint(
    source: Path,
    tensors: Sequence[StoredTensor],
    contents: Callable[[StoredTensor], Blocks],
    out: Path,
    *,
    float32: bool = False,
    on_written: Callable[[int], None] = lambda _: None,
) -> None:
    """Write `tensors`, those of the checkpoint folder `source`, to the folder `out`, replacing it.

    `contents` returns a tensor's numbers in order, as they are to be stored: in float32 with `float32`, else
    in the tensor's own type. `on_written` is called with the bytes of each write. Raise UmiError where there
    is too little space, OSError where a file cannot be written.
    """
    total = output_bytes(tensors, float32=float32)
    with replacing(out) as partial:
        partial.mkdir()
        free = shutil.disk_usage(partial).free
        if free < total:
            raise UmiError(
                f"{out} takes {total / 1e6:.0f} MB, and {out.parent} has {free / 1e6:.0f} MB free",
                "free space or write elsewhere",
            )
        for file, group in groupby(tensors, key=lambda tensor: tensor.file):
            _write_file(partial / file.name, list(group), contents, on_written, float32=float32)
        _write_metadata(source, partial, tensors, total, float32=float32)


def output_bytes(tensors: Iterable[StoredTensor], *, float32: bool) -> int:
    """Return the bytes that the numbers of `tensors` take, in float32 or as they are stored."""
    return sum(4 * prod(tensor.shape) if float32 else tensor.nbytes for tensor in tensors)


def _write_file(
    file: Path,
    tensors: Sequence[StoredTensor],
    contents: Callable[[StoredTensor], Blocks],
    on_written: Callable[[int], None],
    *,
    float32: bool,
) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for tensor in tensors:
        start, end = end, end + output_bytes([tensor], float32=float32)
        dtype = FLOAT32 if float32 else tensor.dtype
        header[tensor.name] = {"dtype": dtype, "shape": tensor.shape, "data_offsets": [start, end]}
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % _ALIGNMENT)
    with file.open("wb") as opened:
        opened.write(len(encoded).to_bytes(8, "little") + encoded)
        for tensor in tensors:
            for block in contents(tensor):
                on_written(opened.write(np.ascontiguousarray(block).data))


def _write_metadata(
    source: Path, out: Path, tensors: Sequence[StoredTensor], total: int, *, float32: bool
) -> None:
    """Write the files beside the weights: configuration, tokenizer, and the index where there is one."""
    for file in source.iterdir():
        if file.suffix in _COPIED and file.name != INDEX:
            shutil.copy(file, out)
    if float32:
        config = {**read_config(source), "dtype": "float32"}
        config.pop("torch_dtype", None)
        (out / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    if (source / INDEX).is_file():
        places = {tensor.name: tensor.file.name for tensor in tensors}
        index = {"metadata": {"total_size": total}, "weight_map": places}
        (out / INDEX).write_text(json.dumps(index, indent=2), encoding="utf-8")
