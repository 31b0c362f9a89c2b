"""Encoded rows that may be larger than memory, and their sizes, by which they are packed unread."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np

from agent.prompting.encoding import Encoded
from train.model.packing import Extent, starts_with_target
from train.stored.spool import Spool

_ID_BYTES, _TARGET_BYTES = 4, 1
"""Of a token in the spool: its id, and whether it is a target."""


class EncodedRows(Sequence[Encoded]):
    """Encoded rows in a spool, of which about 20 bytes each stay in memory; a prefix is stored once."""

    def __init__(self, rows: Iterable[Encoded] = ()) -> None:
        self._rests, self._prefixes = Spool(), Spool()
        self._numbers: dict[bytes, int] = {}
        self._prefix_of = array("Q")
        self._starts_with_target = bytearray()
        self.targets = 0
        """Number of target tokens of all rows."""
        for row in rows:
            self.append(row)

    @classmethod
    def of(cls, rows: Iterable[Encoded]) -> EncodedRows:
        """Return `rows` as they are if they are stored already, else a stored copy."""
        return rows if isinstance(rows, EncodedRows) else cls(rows)

    def append(self, row: Encoded) -> None:
        """Add a row. Raise OSError where the disk is full."""
        prefix = row.prefix.astype("<u4").tobytes()
        number = self._numbers.setdefault(_digest(prefix), len(self._prefixes))
        if number == len(self._prefixes):
            self._prefixes.append(prefix)
        self._rests.append(row.rest.astype("<u4").tobytes() + row.is_target.astype(np.uint8).tobytes())
        self._prefix_of.append(number)
        self._starts_with_target.append(starts_with_target(row))
        self.targets += row.targets

    def extent(self, index: int) -> Extent:
        """Return the sizes of a row, without reading it."""
        prefix = self._prefix_of[index]
        return Extent(
            prefix,
            self._prefixes.size(prefix) // _ID_BYTES,
            self._rests.size(index) // (_ID_BYTES + _TARGET_BYTES),
            bool(self._starts_with_target[index]),
        )

    def prefix_key(self, index: int, tokens: int) -> bytes:
        """Return a key that is equal for rows whose first `tokens` tokens of the prefix are the same."""
        return _digest(self._prefixes.read(self._prefix_of[index])[: tokens * _ID_BYTES])

    def __len__(self) -> int:
        return len(self._prefix_of)

    @overload
    def __getitem__(self, index: int) -> Encoded: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Encoded]: ...
    def __getitem__(self, index: int | slice) -> Encoded | Sequence[Encoded]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        record = self._rests.read(index)
        tokens = len(record) // (_ID_BYTES + _TARGET_BYTES)
        return Encoded(
            np.frombuffer(self._prefixes.read(self._prefix_of[index]), "<u4").astype(np.int64),
            np.frombuffer(record, "<u4", tokens).astype(np.int64),
            np.frombuffer(record, np.bool_, tokens, _ID_BYTES * tokens).copy(),
        )


def _digest(prefix: bytes) -> bytes:
    return hashlib.blake2b(prefix, digest_size=16).digest()
