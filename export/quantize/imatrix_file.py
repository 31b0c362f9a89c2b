"""Importance matrix files of llama.cpp, in both of its formats.

GGUF: `general.type` is `imatrix`; for each layer NAME.in_sum2 holds sums of squares, NAME.counts the number
of terms. The older format: int32 count of entries; for each its name, calls, count of values, and values that
are means times calls; then, in newer files, the total of calls and the name of the text. All numbers are
little-endian (llama.cpp, `common/imatrix-loader.cpp`). Every length is checked against the rest of the file
before anything is read, so a damaged file costs neither time nor memory.
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
_MAX_COUNT = 2.0**53
"""Tokens; larger counts are not exact in a float64."""


@dataclass(frozen=True)
class Entries:
    """The content of an importance matrix file."""

    means: Mapping[str, NDArray[np.float32]]
    """Mean of squares, [columns], by the weight's name."""
    dataset: str
    """The name of the file that it was computed on, without folders; empty where unknown."""
    tokens: int
    chunks: int


def read_entries(file: Path) -> Entries:
    """Read an importance matrix. Raise InputError where it is none, or is damaged."""
    try:
        with (
            file.open("rb") as opened,
            mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data,
            np.errstate(all="ignore"),  # `_checked` rejects NaN and infinity
        ):
            return _read_gguf(_Cursor(data)) if data[:4] == b"GGUF" else _read_legacy(_Cursor(data))
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", "name an importance matrix") from None
    except (ValueError, struct.error) as error:
        raise InputError(
            f"{file} is not an importance matrix, or is damaged: {error}",
            "name a file that llama-imatrix wrote",
        ) from None


@dataclass
class _Cursor:
    """A position in a file; reading past its end raises ValueError before anything is copied."""

    data: Any
    at: int = field(default=0)

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        if not 0 <= count <= len(self.data) - self.at:
            raise ValueError(f"{count} bytes are wanted and {len(self.data) - self.at} are left")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, kind: str) -> Any:
        """Return the next number; `kind` is a format character of `struct`."""
        return struct.unpack("<" + kind, self.take(struct.calcsize("<" + kind)))[0]

    def text(self, length: str) -> str:
        """Return the next text, whose length precedes it as a number of type `length`."""
        return self.take(self.number(length)).decode("utf-8")

    def floats(self, count: int) -> NDArray[np.float32]:
        """Return the next `count` float32 numbers."""
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
    metadata = {}
    for _ in range(pairs):
        key = cursor.text("Q")
        metadata[key] = _value(cursor)
    kind = metadata.get(gguf.Keys.General.TYPE, "model")
    if kind != gguf.GGUFType.IMATRIX:
        raise ValueError(f"its general.type is {kind}")
    infos = [_tensor_info(cursor) for _ in range(tensors)]
    alignment = metadata.get(gguf.Keys.General.ALIGNMENT, gguf.GGUF_DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1:
        raise ValueError(f"its alignment is {alignment}")
    start = -(-cursor.at // alignment) * alignment
    found = {
        name: _floats_at(cursor, name, kind, start + offset, count) for name, kind, offset, count in infos
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
    datasets, chunks = (
        metadata.get(key) for key in (gguf.Keys.IMatrix.DATASETS, gguf.Keys.IMatrix.CHUNK_COUNT)
    )
    first = datasets[0] if isinstance(datasets, list) and datasets and isinstance(datasets[0], str) else ""
    return Entries(means, _plain_name(first), round(most), chunks if isinstance(chunks, int) else 0)


def _value(cursor: _Cursor) -> Any:
    """Return the next value of GGUF's metadata; None for an array of numbers, which is skipped."""
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
    """Return the next tensor's name, type, offset in the data in bytes, and count of numbers."""
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
    """Return sums divided by their counts, in float32 as llama.cpp divides; 1 where the count is 0.

    A layer of several matrices (experts) has a count for each; their means are concatenated.
    """
    if not len(counts) or len(sums) % len(counts):
        raise ValueError(f"{name} has {len(sums)} sums and {len(counts)} counts")
    if not ((counts >= 0) & (counts <= _MAX_COUNT)).all():
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
