"""Schema-1 rows on disk: one JSON object a line, read and written as a stream."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from agent.errors import InputError
from agent.transcript import Row, compact, row_from_json, row_to_json


def read_rows(*paths: Path) -> Iterator[Row]:
    """The rows of `paths` in order. Raises InputError naming the file and line that cannot be used."""
    for path in paths:
        try:
            file = path.open(encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"{path} cannot be read: {error.strerror}", "name a file of schema-1 rows"
            ) from None
        with file:
            number = 0
            try:
                for line in file:
                    number += 1
                    if line.strip():
                        yield _row(json.loads(line))
            except json.JSONDecodeError as error:
                raise InputError(f"{path}, line {number} is not JSON: {error}", "mend that line") from None
            except UnicodeDecodeError:
                raise InputError(f"{path}, line {number + 1} is not UTF-8", "write the file again") from None
            except ValueError as error:
                raise InputError(f"{path}, line {number}: {error}", "mend that line") from None


def _row(value: object) -> Row:
    if not isinstance(value, dict):
        raise ValueError("the line is not a JSON object")
    return row_from_json(value)


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write `rows` to `path` and return how many. The file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    count = 0
    with part.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(compact(row_to_json(row)) + "\n")
            count += 1
    os.replace(part, path)
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
