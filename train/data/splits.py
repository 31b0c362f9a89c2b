"""Which rows of a run's data are trained on, and which only measured on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.errors import InputError
from agent.transcript import Row, compact, transcript_to_json
from agent.transcript.rows import read_lines, row_files, row_of
from train.data.checks.validity import faults
from train.data.rows import hold_out, spread


def rows_to_train(paths: Sequence[Path]) -> list[Row]:
    """The rows of `paths`.

    Raises InputError where none is to train on, or naming the line that is not valid or of a test set.
    """
    rows: list[Row] = []
    for line in (line for path in row_files(*paths) for line in read_lines(path)):
        row = row_of(line)
        if fault := next(faults(row.transcript), None):
            raise InputError(
                f"{line.path}, line {line.number}: {fault}",
                "mend that line or leave it out; umi train data check lists all there are",
            )
        if row.split == "test":
            raise InputError(
                f"{line.path}, line {line.number}: training data holds rows of a test set",
                "leave them out; rows to measure on while training have the split valid",
            )
        rows.append(row)
    if all(row.split != "train" for row in rows):
        names = ", ".join(map(str, paths))
        raise InputError(f"{names} holds no row of the split train", "add training rows")
    return rows


def split(rows: Sequence[Row], count: int, kept: Sequence[Row] | None = None) -> tuple[list[Row], list[Row]]:
    """(rows to train on, at most `count` rows to measure on).

    `kept` are the held-out rows of a run, where one of its roles is trained on other data: none of them is
    trained on, and they are measured on where the data holds out none of its own.
    """
    if kept is None:
        return hold_out(rows, count)
    known = {_content(row) for row in kept}
    train = [row for row in rows if row.split == "train" and _content(row) not in known]
    return train, spread([row for row in rows if row.split != "train"] or kept, count)


def trained_too(train: Sequence[Row], held_out: Sequence[Row]) -> int:
    """How many of the rows to measure on say word for word what a row to train on says."""
    known = {_content(row) for row in train}
    return sum(_content(row) in known for row in held_out)


def _content(row: Row) -> str:
    return compact(transcript_to_json(row.transcript))
