"""The tensors of a Hugging Face checkpoint folder, read from its safetensors files a block of rows at a time.

A safetensors file is eight bytes with the length of a JSON header, that header (type, shape and place of each
tensor) and the numbers, little-endian (https://github.com/huggingface/safetensors#format). It is read, not
mapped: mapped pages count as resident memory, and then a conversion would hold what it has already written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.errors import InputError

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
BLOCK = 1 << 20
"""Numbers read at once: 4 MB in float32, which a processor's cache holds."""
_READ_AS = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}
_AGAIN = "get the checkpoint again"


@dataclass(frozen=True)
class Stored:
    """Where a tensor of a checkpoint lies."""

    name: str
    file: Path
    dtype: str
    """`F32`, `F16` or `BF16`."""
    shape: tuple[int, ...]
    start: int
    """Bytes from the beginning of the file."""

    def blocks(self, step: int = 1) -> Iterator[NDArray[np.float32]]:
        """The rows in order, [rows, *shape[1:]] at a time, `step` rows or a multiple of that.

        Raises InputError where the file ends early or cannot be read.
        """
        width = prod(self.shape[1:])
        rows = max(step, BLOCK // max(1, width) // step * step)
        for first in range(0, self.shape[0], rows):
            taken = min(rows, self.shape[0] - first)
            yield widen(self._read(first * width, taken * width), self.dtype).reshape(taken, *self.shape[1:])

    def _read(self, first: int, count: int) -> NDArray[Any]:
        kind = _READ_AS[self.dtype]
        try:
            raw = np.fromfile(self.file, kind, count, offset=self.start + first * kind.itemsize)
        except OSError as error:
            raise InputError(f"{self.file} cannot be read: {error.strerror or error}", _AGAIN) from None
        if len(raw) < count:
            raise InputError(f"{self.file} is cut short in {self.name}", _AGAIN)
        return raw


def widen(raw: NDArray[Any], dtype: str) -> NDArray[np.float32]:
    """Numbers as they are stored, in float32. A bfloat16 is the upper half of a float32."""
    if dtype != "BF16":
        return raw.astype(np.float32, copy=False)
    bits = raw.astype(np.uint32)
    bits <<= 16
    return bits.view(np.float32)


def list_tensors(folder: Path) -> list[Stored]:
    """Every tensor of a checkpoint folder, in the order of its files.

    Raises InputError naming a file that is missing, damaged or cut short, or a tensor of a type that is no
    float.
    """
    places = _shards(folder)
    tensors: list[Stored] = []
    for file in sorted({folder / shard for shard in places.values()} or {folder / SINGLE}):
        tensors += read_header(file)
    missing = sorted(places.keys() - {tensor.name for tensor in tensors})
    if missing:
        raise InputError(f"{folder / places[missing[0]]} lacks {missing[0]}, which {INDEX} names", _AGAIN)
    return tensors


def _shards(folder: Path) -> dict[str, str]:
    """The file of each tensor as the index has it; empty where the checkpoint is one file."""
    if not (folder / INDEX).is_file():
        if not (folder / SINGLE).is_file():
            raise InputError(f"{folder} has neither {SINGLE} nor {INDEX}", "save it as safetensors")
        return {}
    try:
        places = json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"]
        shards = sorted(set(places.values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{folder / INDEX} cannot be read", _AGAIN) from None
    for shard in shards:
        if not (folder / shard).is_file():
            raise InputError(f"{folder} lacks {shard}, which {INDEX} names", _AGAIN)
    return places


def read_header(file: Path) -> list[Stored]:
    """The tensors of one safetensors file, in the order they lie there. Raises InputError; see above."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if size < 8 or length > size - 8:
            raise InputError(f"{file} is cut short or no safetensors file ({size} bytes)", _AGAIN)
        head = opened.read(length)
    tensors, end = [], 8 + length
    try:
        for name, entry in json.loads(head).items():
            if name == "__metadata__":
                continue
            first, last = entry["data_offsets"]
            tensors.append(Stored(name, file, entry["dtype"], tuple(entry["shape"]), 8 + length + first))
            end = max(end, 8 + length + last)
            if (
                entry["dtype"] in _READ_AS
                and prod(entry["shape"]) * _READ_AS[entry["dtype"]].itemsize != last - first
            ):
                raise ValueError(name)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{file} is damaged: its header is no safetensors header", _AGAIN) from None
    if end > size:
        raise InputError(f"{file} is cut short: it has {size} of {end} bytes", _AGAIN)
    for tensor in tensors:
        if tensor.dtype not in _READ_AS:
            raise InputError(
                f"{file}: {tensor.name} is stored as {tensor.dtype}",
                "give the checkpoint in bf16, f16 or f32",
            )
    return sorted(tensors, key=lambda tensor: tensor.start)
