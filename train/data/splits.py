"""The training and evaluation rows of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.errors import InputError
from agent.transcript import Row, compact, transcript_to_json
from agent.transcript.rows import read_lines, row_files, row_of
from train.data.checks.validity import faults
from train.data.rows import evenly_spaced, hold_out


def rows_to_train(paths: Sequence[Path]) -> list[Row]:
    """Return the rows of `paths`.

    Raise InputError if there is no training row, or for the first line that is invalid or of a test set.
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
    """Return (training rows, at most `count` evaluation rows).

    `kept` are the held-out rows of the run, if one of its roles is trained on other data: none of them is
    trained on, and they are the evaluation rows if the data has none of its own.
    """
    if kept is None:
        return hold_out(rows, count)
    known = {_content(row) for row in kept}
    train = [row for row in rows if row.split == "train" and _content(row) not in known]
    return train, evenly_spaced([row for row in rows if row.split != "train"] or kept, count)


def count_trained(train: Sequence[Row], held_out: Sequence[Row]) -> int:
    """Return the number of held-out rows whose transcript equals that of a training row."""
    known = {_content(row) for row in train}
    return sum(_content(row) in known for row in held_out)


def _content(row: Row) -> str:
    return compact(transcript_to_json(row.transcript))
