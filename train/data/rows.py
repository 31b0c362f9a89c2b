"""Writing of schema-1 rows, and the split into training and evaluation rows."""

from __future__ import annotations

import errno
import gzip
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from agent.errors import InputError
from agent.paths import replacing
from agent.transcript import Row, compact, row_to_json
from train.stored.rows import Rows, Selected

Item = TypeVar("Item")


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write `rows` to `path` and return their number; see `write_lines`."""
    return write_lines(path, (compact(row_to_json(row)).encode("utf-8") for row in rows))


def write_lines(path: Path, lines: Iterable[bytes]) -> int:
    """Write `lines` (without line ends) to `path`, as gzip if it ends in .gz, and return their number.

    The file is written atomically. Raise InputError if it cannot be written.
    """
    count = 0
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        packed = path.suffix == ".gz"
        # No name or time in the gzip header, so that equal rows give equal files.
        with (
            replacing(path) as partial,
            partial.open("wb") as raw,
            gzip.GzipFile("", "wb", 6, raw, 0) if packed else raw as file,
        ):
            for line in lines:
                file.write(line + b"\n")
                count += 1
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", "name another file") from None
    return count


def hold_out(rows: Rows, count: int) -> tuple[Rows, list[Row]]:
    """Return (training rows, at most `count` evaluation rows).

    Evaluation rows are those of other splits than `train`, evenly spaced. If there are none, every n-th
    training row is held out, at most a tenth of them.
    """
    trained = np.fromiter((row.split == "train" for row in rows), np.bool_)
    if not trained.all():
        return Selected(rows, trained), evaluation_rows(rows, trained, count)
    held_out = np.zeros_like(trained)
    held_out[evenly_spaced(range(len(trained)), min(count, len(trained) // 10))] = True
    return Selected(rows, ~held_out), list(Selected(rows, held_out))


def evaluation_rows(rows: Rows, trained: NDArray[np.bool_], count: int) -> list[Row]:
    """Return at most `count` of those `rows` that are not `trained`, evenly spaced."""
    chosen = np.zeros_like(trained)
    chosen[evenly_spaced(np.flatnonzero(~trained).tolist(), count)] = True
    return list(Selected(rows, chosen))


def evenly_spaced(items: Sequence[Item], count: int) -> list[Item]:
    """Return at most `count` of `items`, evenly spaced."""
    if len(items) <= count:
        return list(items)
    return [items[at * len(items) // count] for at in range(count)]
