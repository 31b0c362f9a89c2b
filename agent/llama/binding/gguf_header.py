"""The metadata of a GGUF file, read without llama.cpp: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.

Numbers, strings and lists of whole numbers are returned. Lists of strings (the vocabulary) and of floats are
skipped. A file that is not GGUF, or is damaged, has no metadata; nothing here raises.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

MetadataValue = str | int | float | bool | list[int]

MAX_HEADER_BYTES = 64 << 20
"""A header of 260,000 tokens with their merges takes about 15 MB."""
_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
"""Version 1 counts in 32 bits; files of it are older than llama.cpp's support of them."""
_UINT32, _UINT64 = "<I", "<Q"
_STRING, _ARRAY = 8, 9
_INTEGERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 10: "Q", 11: "q"}
_SCALARS = _INTEGERS | {6: "f", 7: "?", 12: "d"}
"""struct's letter for each of GGUF's types of fixed size."""


def read_metadata(path: Path) -> dict[str, MetadataValue]:
    """Return the metadata of the GGUF file at `path` by key; empty where it cannot be read to the end."""
    try:
        with path.open("rb") as file:
            length = min(path.stat().st_size, MAX_HEADER_BYTES)
            with mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ) as data:
                return _Reader(data).metadata()
    except (OSError, ValueError, OverflowError, struct.error):
        return {}


class _Reader:
    """Reads the values in order. Raises one of the errors that `read_metadata` catches."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0

    def metadata(self) -> dict[str, MetadataValue]:
        if self._bytes(len(_MAGIC)) != _MAGIC or self._number(_UINT32) not in _VERSIONS:
            return {}
        self._number(_UINT64)  # the count of tensors
        found: dict[str, MetadataValue] = {}
        for _ in range(self._number(_UINT64)):
            key = self._text()
            value = self._value(self._number(_UINT32))
            if value is not None:
                found[key] = value
        return found

    def _value(self, kind: int) -> MetadataValue | None:
        if kind == _STRING:
            return self._text()
        if kind == _ARRAY:
            return self._array(self._number(_UINT32), self._number(_UINT64))
        if kind not in _SCALARS:
            raise ValueError(f"GGUF has no type {kind}")
        return self._number(f"<{_SCALARS[kind]}")

    def _array(self, kind: int, count: int) -> list[int] | None:
        if kind == _STRING:
            self._skip_strings(count)
            return None
        if kind not in _SCALARS:
            raise ValueError(f"an array of GGUF's type {kind} is not supported")
        data = self._bytes(count * struct.calcsize(f"<{_SCALARS[kind]}"))
        return list(struct.unpack(f"<{count}{_INTEGERS[kind]}", data)) if kind in _INTEGERS else None

    def _skip_strings(self, count: int) -> None:
        read, data, at = struct.Struct(_UINT64).unpack_from, self._data, self._at
        for _ in range(count):
            at += 8 + read(data, at)[0]
        self._at = at

    def _number(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return value

    def _text(self) -> str:
        return self._bytes(self._number(_UINT64)).decode("utf-8", "replace")

    def _bytes(self, count: int) -> bytes:
        if count > len(self._data) - self._at:
            raise ValueError("the header ends early")
        self._at += count
        return self._data[self._at - count : self._at]
