"""A GGUF file in parts, each of which can be set to anything before it is written again."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
_LETTERS = dict(zip((U8, I8, U16, I16, U32, I32, F32, BOOL, U64, I64, F64), "BbHhIifBQqd", strict=True))
ALIGNMENT = 32
HUGE = 2**63
ALL = 2**64 - 1


@dataclass
class Value:
    """A metadata value as it is written; `content` of an array is a list, `count` overrides its length."""

    kind: int
    content: Any
    item: int = 0
    count: int | None = None

    def encode(self) -> bytes:
        if self.kind == STRING:
            return _text(self.content, self.count)
        if self.kind == ARRAY:
            count = len(self.content) if self.count is None else self.count
            items = b"".join(Value(self.item, one).encode() for one in self.content)
            return struct.pack("<IQ", self.item, count) + items
        return (
            self.content
            if self.kind not in _LETTERS
            else struct.pack("<" + _LETTERS[self.kind], self.content)
        )


@dataclass
class Tensor:
    """An entry of the list of tensors."""

    name: str | bytes
    dims: list[int]
    kind: int
    offset: int
    count: int | None = None

    def encode(self) -> bytes:
        count = len(self.dims) if self.count is None else self.count
        dims = b"".join(struct.pack("<Q", dim) for dim in self.dims)
        return _text(self.name) + struct.pack("<I", count) + dims + struct.pack("<IQ", self.kind, self.offset)


@dataclass
class Forged:
    """A GGUF file in parts; every part can be set to anything."""

    values: dict[str, Value] = field(default_factory=dict)
    tensors: list[Tensor] = field(default_factory=list)
    data: bytes = b""
    magic: bytes = b"GGUF"
    version: int = 3
    value_count: int | None = None
    tensor_count: int | None = None
    key_length: int | None = None
    extra: bytes = b""

    def encode(self) -> bytes:
        """Return the bytes of the file."""
        tensors = len(self.tensors) if self.tensor_count is None else self.tensor_count
        values = len(self.values) if self.value_count is None else self.value_count
        head = self.magic + struct.pack("<IQQ", self.version, tensors, values)
        for number, (key, value) in enumerate(self.values.items()):
            length = self.key_length if number == 1 else None
            head += _text(key, length) + struct.pack("<I", value.kind) + value.encode()
        head += self.extra + b"".join(tensor.encode() for tensor in self.tensors)
        return head + bytes(-len(head) % ALIGNMENT) + self.data

    def set(self, key: str, kind: int, content: Any, item: int = 0, count: int | None = None) -> None:
        """Set a metadata value."""
        self.values[key] = Value(kind, content, item, count)

    def lay_out(self) -> None:
        """Place the tensors one after the other, as their shapes and types say; their data is zeros."""
        end = 0
        for tensor in self.tensors:
            block, size = gguf.GGML_QUANT_SIZES.get(gguf.GGMLQuantizationType(tensor.kind), (1, 4))
            tensor.offset = end
            end += -(-math.prod(tensor.dims) // block * size // ALIGNMENT) * ALIGNMENT
        self.data = bytes(end)

    def tensor(self, name: str) -> Tensor:
        """Return the entry of a tensor."""
        return next(tensor for tensor in self.tensors if tensor.name == name)


def _text(text: str | bytes, count: int | None = None) -> bytes:
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(data) if count is None else count) + data


def taken_apart(path: Path) -> Forged:
    """Return the parts of the GGUF file at `path`."""
    reader = gguf.GGUFReader(path)
    parts = Forged()
    for name, entry in reader.fields.items():
        if name.startswith("GGUF."):
            continue
        kinds = [int(kind) for kind in entry.types]
        parts.set(name, kinds[0], entry.contents(), kinds[1] if len(kinds) > 1 else 0)
    for tensor in reader.tensors:
        dims = [int(size) for size in tensor.shape]
        offset = int(tensor.data_offset) - reader.data_offset
        parts.tensors.append(Tensor(tensor.name, dims, int(tensor.tensor_type), offset))
    parts.data = path.read_bytes()[reader.data_offset :]
    return parts
