"""Schema-1 rows written to disk, and which of them are trained on."""

from __future__ import annotations

import errno
import gzip
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from agent.errors import InputError
from agent.transcript import Row, compact, row_to_json


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write `rows` to `path` and return how many; see `write_lines`."""
    return write_lines(path, (compact(row_to_json(row)).encode("utf-8") for row in rows))


def write_lines(path: Path, lines: Iterable[bytes]) -> int:
    """Write `lines` (without line ends) to `path`, as gzip where it ends in .gz, and return how many.

    The file appears whole or not at all. Raises InputError where it cannot be written.
    """
    part = path.with_name(path.name + ".part")
    count = 0
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            packed = path.suffix == ".gz"
            # No name and no time go into the header of gzip: the same rows make the same file.
            with part.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, 0) if packed else raw as file:
                for line in lines:
                    file.write(line + b"\n")
                    count += 1
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", "name another file") from None
    return count


def hold_out(rows: Sequence[Row], count: int) -> tuple[list[Row], list[Row]]:
    """(rows to train on, at most `count` rows to measure on).

    Rows of another split than `train` are measured on, spread evenly over their order. Where there are none,
    every n-th training row is kept back, at most a tenth of them.
    """
    train = [row for row in rows if row.split == "train"]
    other = [row for row in rows if row.split != "train"]
    if other:
        return train, spread(other, count)
    kept = spread(train, min(count, len(train) // 10))
    ids = {id(row) for row in kept}
    return [row for row in train if id(row) not in ids], kept


def spread(rows: Sequence[Row], count: int) -> list[Row]:
    """At most `count` of `rows`, evenly spaced."""
    if len(rows) <= count:
        return list(rows)
    return [rows[at * len(rows) // count] for at in range(count)]
