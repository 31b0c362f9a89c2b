"""The header of a GGUF file, read without llama.cpp: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.

Nothing in it is trusted: every count is compared with the bytes that are left before anything is read, and a
header has to end within MAX_HEADER_BYTES. No tensor is read. What the values mean is checked in `rules`.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path

from agent.errors import BundleError

MetadataValue = str | int | float | bool | list[int]

MAX_HEADER_BYTES = 256 << 20
"""A header of 260,000 tokens with their merges takes about 15 MB."""
MAX_ENTRIES = 65_536
"""Metadata keys, and tensors; the models of a thousand experts that exist have a few thousand."""
MAX_ITEMS = 1 << 22
"""Items of a list: vocabularies have up to 300,000 tokens, and twice as many merges."""
MAX_NAME_BYTES = 65_535
"""Of a key, by the format; llama.cpp's names of tensors have at most 63."""
MAX_DIMENSIONS = 4
TYPES: Mapping[int, tuple[int, int]] = {
    **{0: (1, 4), 1: (1, 2), 30: (1, 2)},  # F32, F16, BF16
    **{2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40), 20: (32, 18)},
    **{10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292)},
    **{16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 21: (256, 110), 22: (256, 82)},
    **{
        23: (256, 136),
        29: (256, 56),
        34: (256, 54),
        35: (256, 66),
        39: (32, 17),
        40: (64, 36),
        41: (128, 18),
    },
    **{24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8)},  # I8, I16, I32, I64, F64
}
"""Numbers in a block and bytes of a block, by ggml's number of a tensor type."""
_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
"""Version 1 counts in 32 bits; llama.cpp does not read it."""
_UINT32, _UINT64 = "<I", "<Q"
_STRING, _ARRAY = 8, 9
_INTEGERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 10: "Q", 11: "q"}
_SCALARS = _INTEGERS | {6: "f", 7: "?", 12: "d"}
"""struct's letter for each of GGUF's types of fixed size."""
_ALIGNMENT_KEY, _DEFAULT_ALIGNMENT = "general.alignment", 32
_KEPT_TEXTS = "tokenizer.ggml.tokens"
"""The only list of strings that is kept."""


@dataclass(frozen=True)
class TensorEntry:
    """An entry of the list of tensors."""

    name: str
    shape: tuple[int, ...]
    """The length of a row first, as GGUF has it."""
    type: int
    """ggml's number of the type."""


@dataclass(frozen=True)
class Header:
    """The header of a GGUF file."""

    metadata: Mapping[str, MetadataValue]
    """Numbers, strings and lists of whole numbers by key. Lists of strings and of floats are left out."""
    kinds: Mapping[str, int]
    """GGUF's number of the type of each value; of a list that of its items."""
    lengths: Mapping[str, int]
    """The number of items of each list."""
    tokens: tuple[bytes, ...]
    """The vocabulary."""
    tensors: Mapping[str, TensorEntry]
    """By name."""


class HeaderError(ValueError):
    """A header that is damaged or forged; the text says where."""


def read_header(path: Path, hint: str = "") -> Header:
    """Return the header of the GGUF file at `path`; the last few files are kept until they change.

    Raise BundleError, whose next step is `hint`, where it is not a regular file, cannot be read, or its
    counts, sizes or offsets are out of bounds.
    """
    try:
        about = path.stat()
        identity = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
        return _read(os.path.realpath(path), identity)
    except HeaderError as error:
        raise BundleError(f"{path} is damaged: {error}", hint) from None
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror or error}", hint) from None


def read_metadata(path: Path) -> Mapping[str, MetadataValue]:
    """Return the metadata of the GGUF file at `path` by key; empty where `read_header` would raise."""
    try:
        return read_header(path).metadata
    except BundleError:
        return {}


def forget_headers() -> None:
    """Free the headers that are kept: those of three models with large vocabularies take some 30 MB."""
    _read.cache_clear()


@lru_cache(maxsize=8)
def _read(path: str, identity: tuple[int, ...]) -> Header:
    # A FIFO that nobody writes to would be waited for, and a device may have no end.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        if file.read(len(_MAGIC)) != _MAGIC:
            raise HeaderError("it is not a GGUF file")
        with mmap.mmap(descriptor, min(size, MAX_HEADER_BYTES), access=mmap.ACCESS_READ) as data:
            try:
                return _Reader(data, size).header()
            except struct.error:
                raise HeaderError("its header ends early") from None


class _Reader:
    """Reads the values in order. Raises HeaderError, and struct.error where the header ends early."""

    def __init__(self, data: mmap.mmap, size: int) -> None:
        self._data = data
        self._size = size
        self._at = len(_MAGIC)
        self._tokens: tuple[bytes, ...] = ()
        self._kinds: dict[str, int] = {}
        self._lengths: dict[str, int] = {}

    def header(self) -> Header:
        version = self._number(_UINT32)
        if version not in _VERSIONS:
            raise HeaderError(f"GGUF of version {version} is not supported")
        tensor_count, value_count = self._number(_UINT64), self._number(_UINT64)
        for count, what in ((tensor_count, "tensors"), (value_count, "values")):
            if count > MAX_ENTRIES:
                raise HeaderError(f"it claims to hold {count} {what}")
        metadata: dict[str, MetadataValue] = {}
        for _ in range(value_count):
            key = self._text(MAX_NAME_BYTES)
            if not key or key in self._kinds:
                raise HeaderError(f"the key {key[:60]!r} is empty or there twice")
            value = self._value(key)
            if value is not None:
                metadata[key] = value
        alignment = metadata.get(_ALIGNMENT_KEY, _DEFAULT_ALIGNMENT)
        if type(alignment) is not int or alignment % _DEFAULT_ALIGNMENT or alignment.bit_count() != 1:
            raise HeaderError(f"{_ALIGNMENT_KEY} is {alignment}, and not a power of two from 32 on")
        tensors = self._entries(tensor_count, alignment)
        return Header(metadata, self._kinds, self._lengths, self._tokens, tensors)

    def _value(self, key: str) -> MetadataValue | None:
        kind = self._number(_UINT32)
        self._kinds[key] = kind
        if kind == _STRING:
            return self._text(len(self._data))
        if kind == _ARRAY:
            self._kinds[key], self._lengths[key] = self._number(_UINT32), self._number(_UINT64)
            return self._array(key, self._kinds[key], self._lengths[key])
        if kind not in _SCALARS:
            raise HeaderError(f"{key} has the unknown type {kind}")
        return self._number(f"<{_SCALARS[kind]}")

    def _array(self, key: str, kind: int, count: int) -> list[int] | None:
        if kind == _STRING:
            if count > min(MAX_ITEMS, self._left() // 8):
                raise HeaderError(f"{key} claims to hold {count} texts")
            self._strings(count, keep=key == _KEPT_TEXTS)
            return None
        if kind not in _SCALARS:
            raise HeaderError(f"{key} is a list of the unknown type {kind}")
        if count > min(MAX_ITEMS, self._left()):
            raise HeaderError(f"{key} claims to hold {count} numbers")
        data = self._bytes(count * struct.calcsize(f"<{_SCALARS[kind]}"))
        return list(struct.unpack(f"<{count}{_INTEGERS[kind]}", data)) if kind in _INTEGERS else None

    def _strings(self, count: int, *, keep: bool) -> None:
        read, data, at, end = struct.Struct(_UINT64).unpack_from, self._data, self._at, len(self._data)
        kept: list[bytes] = []
        for _ in range(count):
            length = read(data, at)[0]
            at += 8
            if length > end - at:
                raise HeaderError("its header ends early, in a list of texts")
            if keep:
                kept.append(data[at : at + length])
            at += length
        self._at = at
        if keep:
            self._tokens = tuple(kept)

    def _entries(self, count: int, alignment: int) -> dict[str, TensorEntry]:
        tensors: dict[str, TensorEntry] = {}
        places: list[tuple[str, int, int]] = []
        for _ in range(count):
            name = self._text(MAX_NAME_BYTES)
            dimensions = self._number(_UINT32)
            if name in tensors or not 1 <= dimensions <= MAX_DIMENSIONS:
                raise HeaderError(f"the tensor {name[:60]!r} is there twice or has {dimensions} dimensions")
            shape = tuple(self._number(_UINT64) for _ in range(dimensions))
            kind, offset = self._number(_UINT32), self._number(_UINT64)
            tensors[name] = TensorEntry(name, shape, kind)
            block, block_bytes = TYPES.get(kind, (1, 0))
            if min(shape) < 1 or shape[0] % block:
                raise HeaderError(f"the tensor {name[:60]!r} has the shape {list(shape)}")
            places.append((name, offset, prod(shape) // block * block_bytes))
        first = self._at + -self._at % alignment
        for name, offset, nbytes in places:
            if offset % alignment or first + offset + nbytes > self._size:
                raise HeaderError(f"the file is cut short, or the place of {name[:60]!r} is wrong")
        return tensors

    def _number(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return value

    def _text(self, limit: int) -> str:
        length = self._number(_UINT64)
        if length > limit:
            raise HeaderError(f"a text of it claims to have {length} bytes")
        return self._bytes(length).decode("utf-8", "replace")

    def _left(self) -> int:
        return len(self._data) - self._at

    def _bytes(self, count: int) -> bytes:
        if count > self._left():
            raise HeaderError("its header ends early")
        self._at += count
        return self._data[self._at - count : self._at]
