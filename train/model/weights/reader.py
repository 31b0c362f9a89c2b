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
from agent.paths import read_file

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
BLOCK = 1 << 20
"""Numbers read at once: 4 MB in float32, which fits a processor's cache."""
_NUMPY_TYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}
_AGAIN = "get the checkpoint again"


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a safetensors file."""

    name: str
    file: Path
    dtype: str
    """As safetensors names it: `F32`, `F16`, `BF16`, `I64`, …"""
    shape: tuple[int, ...]
    start: int
    """Offset of the first byte in the file."""
    nbytes: int

    def blocks(self, step: int = 1) -> Iterator[NDArray[np.float32]]:
        """Yield arrays [rows, *shape[1:]] of the rows in order, each but the last of a multiple of `step`
        rows.

        Raise InputError where the type is not a float, or the file ends early or cannot be read.
        """
        self.require_float()
        width = prod(self.shape[1:])
        rows = max(step, BLOCK // max(1, width) // step * step)
        for first in range(0, self.shape[0], rows):
            taken = min(rows, self.shape[0] - first)
            raw = self._read(_NUMPY_TYPES[self.dtype], first * width, taken * width)
            yield widen(raw, self.dtype).reshape(taken, *self.shape[1:])

    def read(self) -> NDArray[np.float32]:
        """Return the whole tensor. Raise InputError as `blocks` does."""
        return np.concatenate([*self.blocks()]) if self.shape[0] else np.zeros(self.shape, np.float32)

    def raw_blocks(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the bytes as they are stored. Raise InputError where they cannot be read."""
        for first in range(0, self.nbytes, 4 * BLOCK):
            yield self._read(np.dtype(np.uint8), first, min(4 * BLOCK, self.nbytes - first))

    def require_float(self) -> None:
        """Raise InputError where the numbers are not floats of 16 or 32 bits."""
        if self.dtype not in _NUMPY_TYPES:
            raise InputError(
                f"{self.file}: {self.name} is stored as {self.dtype}",
                "give the checkpoint in bf16, f16 or f32",
            )

    def _read(self, dtype: np.dtype[Any], first: int, count: int) -> NDArray[Any]:
        """Return `count` numbers from number `first` on."""
        try:
            raw = np.fromfile(self.file, dtype, count, offset=self.start + first * dtype.itemsize)
        except OSError as error:
            raise InputError(f"{self.file} cannot be read: {error.strerror or error}", _AGAIN) from None
        if len(raw) < count:
            raise InputError(f"{self.file} is cut short in {self.name}", _AGAIN)
        return raw


def widen(raw: NDArray[Any], dtype: str) -> NDArray[np.float32]:
    """Return stored numbers of type `dtype` as float32. A bfloat16 is the upper half of a float32."""
    if dtype != "BF16":
        return raw.astype(np.float32, copy=False)
    bits = raw.astype(np.uint32)
    bits <<= 16
    return bits.view(np.float32)


def narrow(values: NDArray[np.float32], dtype: str) -> NDArray[Any]:
    """Return float32 numbers as type `dtype`, rounded to the nearest, to even where two are as near."""
    if dtype != "BF16":
        return values.astype(_NUMPY_TYPES[dtype])
    bits = np.ascontiguousarray(values).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def read_config(folder: Path) -> dict[str, Any]:
    """Return a checkpoint's config.json. Raise InputError where there is none."""
    try:
        config = json.loads(read_file(folder / "config.json"))
    except (OSError, ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise InputError(f"{folder} has no readable config.json", "give a checkpoint folder")
    return config


def list_tensors(folder: Path, *, floats_only: bool = True) -> list[StoredTensor]:
    """Return every tensor of a checkpoint folder, in the order of its files.

    Raise InputError naming a file that is missing, damaged or cut short, or, with `floats_only`, a tensor of
    another type than float32, float16 and bfloat16.
    """
    places = _shards(folder)
    tensors: list[StoredTensor] = []
    for file in sorted({folder / shard for shard in places.values()} or {folder / SINGLE}):
        tensors += read_header(file)
    missing = sorted(places.keys() - {tensor.name for tensor in tensors})
    if missing:
        raise InputError(f"{folder / places[missing[0]]} lacks {missing[0]}, which {INDEX} names", _AGAIN)
    if floats_only:
        for tensor in tensors:
            tensor.require_float()
    return tensors


def _shards(folder: Path) -> dict[str, str]:
    """Return the file of each tensor by the index; an empty dict where the checkpoint is one file."""
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


def read_header(file: Path) -> list[StoredTensor]:
    """Return the tensors of one safetensors file in the order of their offsets.

    Raise InputError where the file is damaged or cut short.
    """
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
            shape, start = tuple(entry["shape"]), 8 + length + first
            tensors.append(StoredTensor(name, file, entry["dtype"], shape, start, last - first))
            end = max(end, 8 + length + last)
            if (
                entry["dtype"] in _NUMPY_TYPES
                and prod(entry["shape"]) * _NUMPY_TYPES[entry["dtype"]].itemsize != last - first
            ):
                raise ValueError(name)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{file} is damaged: its header is not a safetensors header", _AGAIN) from None
    if end > size:
        raise InputError(f"{file} is cut short: it has {size} of {end} bytes", _AGAIN)
    return sorted(tensors, key=lambda tensor: tensor.start)
