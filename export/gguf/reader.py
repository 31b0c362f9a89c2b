"""A GGUF file: its metadata, and its tensors, dequantized a block of rows at a time.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Tensors are read, not mapped:
mapped pages count as resident memory.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from numpy.typing import NDArray

from agent.errors import InputError
from agent.llama.gguf.header import read_header
from train.model.weights.reader import BLOCK

MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_MAX_DIMENSIONS = 4
_STRING, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""struct's letter for each of GGUF's types of fixed size."""
_AGAIN = "get the file again"


@dataclass(frozen=True)
class StoredGgufTensor:
    """A tensor in a GGUF file."""

    name: str
    file: Path
    type: Type
    shape: tuple[int, ...]
    """Rows first; GGUF lists the dimensions the other way round."""
    start: int
    """Offset of the first byte in the file."""

    @property
    def nbytes(self) -> int:
        """Bytes in the file."""
        block, size = gguf.GGML_QUANT_SIZES[self.type]
        return prod(self.shape) // block * size

    def blocks(self, step: int = 1) -> Iterator[NDArray[np.float32]]:
        """Yield float32 arrays of the rows in order, each but the last of a multiple of `step` rows.

        Raise InputError where gguf cannot dequantize the type, a number is not finite, or the file ends early
        or cannot be read.
        """
        width, count = self.shape[-1], prod(self.shape[:-1])
        row_bytes = self.nbytes // max(1, count)
        most = max(step, BLOCK // max(1, width) // step * step)
        for first in range(0, count, most):
            taken = min(most, count - first)
            raw = self._read(first * row_bytes, taken * row_bytes).reshape(taken, row_bytes)
            try:
                values = gguf.quants.dequantize(raw, self.type)
            except NotImplementedError:
                raise InputError(
                    f"{self.file}: {self.name} is of type {self.type.name}, which gguf cannot dequantize",
                    "take a file of another type, such as Q8_0",
                ) from None
            if not np.isfinite(values).all():
                raise InputError(f"{self.file}: {self.name} holds NaN or infinity", _AGAIN)
            yield values.reshape(-1) if len(self.shape) == 1 else values.reshape(taken, *self.shape[1:])

    def _read(self, offset: int, count: int) -> NDArray[np.uint8]:
        try:
            raw = np.fromfile(self.file, np.uint8, count, offset=self.start + offset)
        except OSError as error:
            raise InputError(f"{self.file} cannot be read: {error.strerror or error}", _AGAIN) from None
        if len(raw) < count:
            raise InputError(f"{self.file} is cut short in {self.name}", _AGAIN)
        return raw


@dataclass(frozen=True)
class GgufFile:
    """The header of a GGUF file."""

    path: Path
    metadata: Mapping[str, Any]
    """Numbers, strings, and lists of either, by key."""
    tensors: Mapping[str, StoredGgufTensor]
    """By name."""

    def value(self, key: str, kind: type, default: Any = None) -> Any:
        """Return the metadata of `key`, by default `default`.

        Raise InputError where it is not of type `kind`, or is missing and there is no default.
        """
        value = self.metadata.get(key, default)
        if (value is not default and not isinstance(value, kind)) or value is None:
            raise InputError(f"{self.path} says nothing usable of {key}", "get another file of this model")
        return value


def read_gguf(path: Path) -> GgufFile:
    """Read the header of the GGUF file `path`.

    Raise InputError where it is not a GGUF file, is damaged or cut short, or is one part of several.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise InputError(f"{path} is not a GGUF file", "name a .gguf file")
            read_header(path, _AGAIN)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                metadata, tensors = _HeaderReader(data, path).header()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}", "name a .gguf file") from None
    except (ValueError, TypeError, OverflowError, ZeroDivisionError, KeyError, struct.error):
        raise InputError(f"{path} is damaged or cut short in its header", _AGAIN) from None
    for tensor in tensors:
        if tensor.start + tensor.nbytes > size:
            raise InputError(f"{path} is cut short: {tensor.name} ends behind its {size} bytes", _AGAIN)
    parts = metadata.get("split.count", 1)
    if parts not in (0, 1):
        raise InputError(f"{path} is one of {parts} parts", "join them with llama-gguf-split --merge")
    return GgufFile(path, metadata, {tensor.name: tensor for tensor in tensors})


class _HeaderReader:
    """Reads a header in order. Raises one of the errors that `read_gguf` reports as a damaged header."""

    def __init__(self, data: mmap.mmap, path: Path) -> None:
        self._data = data
        self._path = path
        self._at = len(MAGIC)

    def header(self) -> tuple[dict[str, Any], list[StoredGgufTensor]]:
        version = self._number("I")
        if version not in _VERSIONS:
            raise InputError(f"{self._path} is a GGUF file of version {version}", "known are 2 and 3")
        tensor_count, entries = self._number("Q"), self._number("Q")
        metadata: dict[str, Any] = {}
        for _ in range(entries):
            key = self._text()
            metadata[key] = self._value(self._number("I"))
        found = [self._tensor() for _ in range(tensor_count)]
        alignment = metadata.get(gguf.Keys.General.ALIGNMENT, gguf.GGUF_DEFAULT_ALIGNMENT)
        start = -(-self._at // alignment) * alignment
        return metadata, [
            StoredGgufTensor(name, self._path, kind, shape, start + offset)
            for name, kind, shape, offset in found
        ]

    def _tensor(self) -> tuple[str, Type, tuple[int, ...], int]:
        name = self._text()
        dimensions = self._number("I")
        if not 1 <= dimensions <= _MAX_DIMENSIONS:
            raise ValueError(name)
        shape = tuple(self._number("Q") for _ in range(dimensions))[::-1]
        kind = self._number("I")
        if kind not in {one.value for one in Type}:
            raise InputError(
                f"{self._path}: {name} is of an unknown type ({kind})",
                "take a file of another type, or install a later gguf",
            )
        if shape[-1] % gguf.GGML_QUANT_SIZES[Type(kind)][0]:
            raise ValueError(name)
        return name, Type(kind), shape, self._number("Q")

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._text()
        if kind != _ARRAY:
            return self._number(_SCALARS[kind])
        kind, count = self._number("I"), self._number("Q")
        if kind == _STRING:
            return [self._text() for _ in range(count)]
        form = f"<{count}{_SCALARS[kind]}"
        return list(struct.unpack(form, self._bytes(struct.calcsize(form))))

    def _number(self, letter: str) -> Any:
        (value,) = struct.unpack(f"<{letter}", self._bytes(struct.calcsize(f"<{letter}")))
        return value

    def _text(self) -> str:
        return self._bytes(self._number("Q")).decode("utf-8")

    def _bytes(self, count: int) -> bytes:
        if count > len(self._data) - self._at:
            raise ValueError("the header ends early")
        self._at += count
        return self._data[self._at - count : self._at]
