"""Training rows that may be larger than memory: they stay in their files, which are read anew each time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agent.errors import InputError
from agent.transcript import Row
from agent.transcript.rows import Line, read_lines, row_of


class Rows(Protocol):
    """Rows that can be read more than once, in order."""

    def __iter__(self) -> Iterator[Row]: ...
    def __len__(self) -> int: ...


class FileRows:
    """The rows of files."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = {file: _state(file) for file in files}

    def __len__(self) -> int:
        return sum(1 for _ in self.lines())

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows; see `lines`."""
        return map(row_of, self.lines())

    def lines(self) -> Iterator[Line]:
        """Yield a line for each row. Raise InputError for a file that was changed since this was made."""
        for file, state in self._files.items():
            if _state(file) != state:
                raise InputError(f"{file} was changed while it was in use", "give the command again")
            yield from read_lines(file)


class Selected:
    """Some of the rows of others, of which each takes a byte."""

    def __init__(self, rows: Rows, wanted: NDArray[np.bool_]) -> None:
        """`wanted` tells for each of `rows` whether it is one."""
        self._rows, self._wanted = rows, wanted

    def __len__(self) -> int:
        return int(self._wanted.sum())

    def __iter__(self) -> Iterator[Row]:
        return compress(self._rows, self._wanted)


def _state(file: Path) -> tuple[int, int] | None:
    """Return what changes when a file is written; None where it is gone."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns
