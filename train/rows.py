"""Schema-1 rows written to disk, and which of them are trained on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from agent.errors import InputError
from agent.transcript import Row, compact, row_to_json


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write `rows` to `path` and return how many. The file appears whole or not at all.

    Raises InputError where it cannot be written.
    """
    part = path.with_name(path.name + ".part")
    count = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8") as file:
            for row in rows:
                file.write(compact(row_to_json(row)) + "\n")
                count += 1
        os.replace(part, path)
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
