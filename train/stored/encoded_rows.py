"""Encoded rows that may be larger than memory, and their sizes, by which they are packed unread."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple, overload

import numpy as np

from agent.prompting.encoding import Encoded
from train.stored.spool import Spool

_BYTES = 5
"""Of a token: four of its id, one that tells whether it is a target."""


class Extent(NamedTuple):
    """How long a row is."""

    prefix: int
    """The number of its prefix; rows with the same one share it."""
    prefix_tokens: int
    rest_tokens: int
    starts_with_target: bool
    """Whether the first token after the prefix is a target."""


class EncodedRows(Sequence[Encoded]):
    """Encoded rows in a spool. About 40 bytes of each, and of each prefix, stay in memory."""

    def __init__(self, rows: Iterable[Encoded] = ()) -> None:
        self._rests, self._prefixes = Spool(), Spool()
        self._numbers: dict[bytes, int] = {}
        self._prefix_of = array("L")
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
        digest = hashlib.blake2b(prefix, digest_size=16).digest()
        number = self._numbers.setdefault(digest, len(self._prefixes))
        if number == len(self._prefixes):
            self._prefixes.append(prefix)
        self._rests.append(row.rest.astype("<u4").tobytes() + row.is_target.astype(np.uint8).tobytes())
        self._prefix_of.append(number)
        self._starts_with_target.append(bool(len(row.rest) and row.is_target[0]))
        self.targets += row.targets

    def extent(self, index: int) -> Extent:
        """Return how long a row is, without reading it."""
        prefix = self._prefix_of[index]
        tokens = self._rests.size(index) // _BYTES
        return Extent(prefix, self._prefixes.size(prefix) // 4, tokens, bool(self._starts_with_target[index]))

    def __len__(self) -> int:
        return len(self._rests)

    @overload
    def __getitem__(self, index: int) -> Encoded: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Encoded]: ...
    def __getitem__(self, index: int | slice) -> Encoded | Sequence[Encoded]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        record = self._rests.read(index)
        tokens = len(record) // _BYTES
        return Encoded(
            np.frombuffer(self._prefixes.read(self._prefix_of[index]), "<u4").astype(np.int64),
            np.frombuffer(record, "<u4", tokens).astype(np.int64),
            np.frombuffer(record, np.bool_, tokens, 4 * tokens).copy(),
        )
