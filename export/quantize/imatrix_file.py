"""Importance matrices as llama.cpp writes them, in both of its forms.

GGUF: `general.type` is `imatrix`; for each layer NAME.in_sum2 holds sums of squares, NAME.counts how many
were added up. The older form: int32 count of entries; for each its name, calls, count of values, and values
that are means times calls; then, in newer files, the calls in all and the name of the text. All numbers are
little-endian (llama.cpp, `common/imatrix-loader.cpp`). Every length is checked against what is left of the
file before anything is read, so a damaged one costs neither time nor memory.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFValueType
from numpy.typing import NDArray

from agent.errors import InputError

_SCALARS = {
    GGUFValueType.UINT8: "B",
    GGUFValueType.INT8: "b",
    GGUFValueType.BOOL: "?",
    GGUFValueType.UINT16: "H",
    GGUFValueType.INT16: "h",
    GGUFValueType.UINT32: "I",
    GGUFValueType.INT32: "i",
    GGUFValueType.FLOAT32: "f",
    GGUFValueType.UINT64: "Q",
    GGUFValueType.INT64: "q",
    GGUFValueType.FLOAT64: "d",
}
_DIMENSIONS = 4
_LARGEST_COUNT = 2.0**53
"""Tokens; more cannot be told apart in a float64, and no file has them."""


@dataclass(frozen=True)
class Entries:
    """What an importance matrix file holds."""

    means: Mapping[str, NDArray[np.float32]]
    """Mean of squares, [columns], by the weight's name."""
    dataset: str
    """The name of the file that it was computed on, without folders; empty where it is not told."""
    tokens: int
    chunks: int


def read_entries(file: Path) -> Entries:
    """Read an importance matrix. Raises InputError where it is none, or is damaged."""
    try:
        with (
            file.open("rb") as opened,
            mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data,
            np.errstate(all="ignore"),  # a damaged number may be a NaN or too large: `_checked` finds it
        ):
            return _read_gguf(_Cursor(data)) if data[:4] == b"GGUF" else _read_legacy(_Cursor(data))
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", "name an importance matrix") from None
    except (ValueError, struct.error) as error:
        raise InputError(
            f"{file} is no importance matrix, or is damaged: {error}", "name a file that llama-imatrix wrote"
        ) from None


@dataclass
class _Cursor:
    """A place in a file; reading past its end raises ValueError before anything is copied."""

    data: Any
    at: int = field(default=0)

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if not 0 <= count <= len(self.data) - self.at:
            raise ValueError(f"{count} bytes are wanted and {len(self.data) - self.at} are left")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, kind: str) -> Any:
        """The next number; `kind` is one of `struct`'s letters."""
        return struct.unpack("<" + kind, self.take(struct.calcsize("<" + kind)))[0]

    def text(self, length: str) -> str:
        """The next text, whose length stands before it as a number of the kind `length`."""
        return self.take(self.number(length)).decode("utf-8")

    def floats(self, count: int) -> NDArray[np.float32]:
        """The next `count` float32 numbers."""
        return np.frombuffer(self.take(4 * count), "<f4").astype(np.float32)


def _read_legacy(cursor: _Cursor) -> Entries:
    means = {}
    for _ in range(cursor.number("i")):
        name = cursor.text("i")
        calls, values = cursor.number("i"), cursor.floats(cursor.number("i"))
        if not name:
            raise ValueError("an entry has no name")
        means[name] = _checked(name, values / np.float32(calls) if calls > 0 else values)
    if not means:
        raise ValueError("it has no entries")
    chunks, dataset = 0, ""
    if cursor.at < len(cursor.data):
        chunks = cursor.number("i")
        dataset = _plain_name(cursor.text("i"))
    return Entries(means, dataset, 0, max(chunks, 0))


def _read_gguf(cursor: _Cursor) -> Entries:
    cursor.take(4)
    version = cursor.number("I")
    if version not in (2, 3):
        raise ValueError(f"it has version {version} of GGUF")
    tensors, pairs = cursor.number("Q"), cursor.number("Q")
    said = {}
    for _ in range(pairs):
        key = cursor.text("Q")
        said[key] = _value(cursor)
    kind = said.get(gguf.Keys.General.TYPE, "model")
    if kind != gguf.GGUFType.IMATRIX:
        raise ValueError(f"its general.type is {kind}")
    placed = [_tensor_info(cursor) for _ in range(tensors)]
    alignment = said.get(gguf.Keys.General.ALIGNMENT, gguf.GGUF_DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1:
        raise ValueError(f"its alignment is {alignment}")
    start = -(-cursor.at // alignment) * alignment
    found = {
        name: _floats_at(cursor, name, kind, start + offset, count) for name, kind, offset, count in placed
    }
    means, most = {}, 0.0
    for name in sorted(found):
        if name.endswith(".in_sum2"):
            weight = name.removesuffix(".in_sum2")
            counts = found.get(f"{weight}.counts")
            if counts is None:
                raise ValueError(f"it lacks the counts of {weight}")
            means[weight] = _means(weight, found[name], counts)
            most = max(most, float(counts.max()))
    if not means:
        raise ValueError("it has no entries")
    datasets, chunks = (said.get(key) for key in (gguf.Keys.IMatrix.DATASETS, gguf.Keys.IMatrix.CHUNK_COUNT))
    first = datasets[0] if isinstance(datasets, list) and datasets and isinstance(datasets[0], str) else ""
    return Entries(means, _plain_name(first), round(most), chunks if isinstance(chunks, int) else 0)


def _value(cursor: _Cursor) -> Any:
    """The next value of GGUF's metadata; of an array of numbers nothing is kept."""
    kind = GGUFValueType(cursor.number("I"))
    if kind == GGUFValueType.STRING:
        return cursor.text("Q")
    if kind in _SCALARS:
        return cursor.number(_SCALARS[kind])
    inner, count = GGUFValueType(cursor.number("I")), cursor.number("Q")
    if inner == GGUFValueType.STRING:
        return [cursor.text("Q") for _ in range(count)]
    if inner == GGUFValueType.ARRAY:
        raise ValueError("its metadata has an array of arrays")
    cursor.take(count * struct.calcsize(_SCALARS[inner]))
    return None


def _tensor_info(cursor: _Cursor) -> tuple[str, int, int, int]:
    """The next tensor's name, type, place from the data's start in bytes, and count of numbers."""
    name, dimensions = cursor.text("Q"), cursor.number("I")
    if dimensions > _DIMENSIONS:
        raise ValueError(f"{name} has {dimensions} dimensions")
    count = prod(cursor.number("Q") for _ in range(dimensions))
    kind, offset = cursor.number("I"), cursor.number("Q")
    return name, kind, offset, count


def _floats_at(cursor: _Cursor, name: str, kind: int, place: int, count: int) -> NDArray[np.float32]:
    if kind != GGMLQuantizationType.F32:
        raise ValueError(f"{name} is not float32")
    if place > len(cursor.data):
        raise ValueError(f"{name} lies beyond its end")
    cursor.at = place
    return cursor.floats(count)


def _means(name: str, sums: NDArray[np.float32], counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums divided by their counts, in float32 as llama.cpp divides; 1 where nothing was counted.

    Layers of several matrices (experts) have a count each; their means follow one another.
    """
    if not len(counts) or len(sums) % len(counts):
        raise ValueError(f"{name} has {len(sums)} sums and {len(counts)} counts")
    if not ((counts >= 0) & (counts <= _LARGEST_COUNT)).all():
        raise ValueError(f"{name} has a count that none can be")
    whole = np.rint(counts)[:, None]
    parts = sums.reshape(len(counts), -1)
    return _checked(name, np.where(whole > 0, parts / np.maximum(whole, 1), np.float32(1)).reshape(-1))


def _checked(name: str, means: NDArray[np.float32]) -> NDArray[np.float32]:
    if not len(means) or not (np.isfinite(means) & (means >= 0)).all():
        raise ValueError(f"{name} holds what is not the mean of squares")
    return means.astype(np.float32)


def _plain_name(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]
