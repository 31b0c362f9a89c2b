"""Writing of schema-1 rows, and the split into training and evaluation rows."""

from __future__ import annotations

import errno
import gzip
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from agent.errors import InputError
from agent.paths import replacing
from agent.transcript import Row, compact, row_to_json


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


def hold_out(rows: Sequence[Row], count: int) -> tuple[list[Row], list[Row]]:
    """Return (training rows, at most `count` evaluation rows).

    Evaluation rows are those of other splits than `train`, evenly spaced. If there are none, every n-th
    training row is held out, at most a tenth of them.
    """
    train = [row for row in rows if row.split == "train"]
    evaluation = [row for row in rows if row.split != "train"]
    if evaluation:
        return train, evenly_spaced(evaluation, count)
    held_out = evenly_spaced(train, min(count, len(train) // 10))
    ids = {id(row) for row in held_out}
    return [row for row in train if id(row) not in ids], held_out


def evenly_spaced(rows: Sequence[Row], count: int) -> list[Row]:
    """Return at most `count` of `rows`, evenly spaced."""
    if len(rows) <= count:
        return list(rows)
    return [rows[at * len(rows) // count] for at in range(count)]
