"""Training rows that may be larger than memory, and some of them, by their indices."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Sequence
from typing import TypeVar, overload

from agent.transcript import Row, compact, row_to_json
from agent.transcript.schema import row_from_json
from train.stored.spool import Spool

Item = TypeVar("Item")


class StoredRows(Sequence[Row]):
    """Rows in a spool; each is parsed when it is asked for."""

    def __init__(self) -> None:
        self._spool = Spool()

    def append(self, row: Row) -> None:
        """Add a row."""
        self._spool.append(compact(row_to_json(row)).encode())

    def __len__(self) -> int:
        return len(self._spool)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        return row_from_json(json.loads(self._spool.read(range(len(self))[index])))


class Selected(Sequence[Item]):
    """Some items of a sequence, by their indices, of which each takes 8 bytes."""

    def __init__(self, items: Sequence[Item], indices: Iterable[int]) -> None:
        self._items, self._indices = items, array("Q", indices)

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        if isinstance(index, slice):
            return [self._items[at] for at in self._indices[index]]
        return self._items[self._indices[index]]
