"""Writing of schema-1 rows, and the split into training and evaluation rows."""

from __future__ import annotations

import errno
import gzip
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from agent.errors import InputError
from agent.paths import replacing
from agent.transcript import Row, compact, row_to_json
from train.stored.rows import Selected

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


def hold_out(rows: Sequence[Row], count: int) -> tuple[Sequence[Row], list[Row]]:
    """Return (training rows, at most `count` evaluation rows).

    Evaluation rows are those of other splits than `train`, evenly spaced. If there are none, every n-th
    training row is held out, at most a tenth of them.
    """
    is_train = [row.split == "train" for row in rows]
    train = [at for at, known in enumerate(is_train) if known]
    evaluation = [at for at, known in enumerate(is_train) if not known]
    chosen = evenly_spaced(evaluation, count) or evenly_spaced(train, min(count, len(train) // 10))
    held_out = set(chosen)
    return Selected(rows, (at for at in train if at not in held_out)), [rows[at] for at in chosen]


def evenly_spaced(items: Sequence[Item], count: int) -> list[Item]:
    """Return at most `count` of `items`, evenly spaced."""
    if len(items) <= count:
        return list(items)
    return [items[at * len(items) // count] for at in range(count)]
