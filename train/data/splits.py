"""The training and evaluation rows of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from agent.errors import InputError
from agent.transcript import Row, compact, transcript_to_json
from agent.transcript.rows import row_files, row_of
from train.data.checks.validity import faults
from train.data.rows import evaluation_rows, evenly_spaced, hold_out
from train.stored.rows import FileRows, Rows, Selected


def rows_to_train(paths: Sequence[Path]) -> Rows:
    """Return the rows of `paths`, which are read from there each time.

    Raise InputError if there is no training row, or for the first line that is invalid or of a test set.
    """
    rows = FileRows(row_files(*paths))
    has_training_row = False
    for line in rows.lines():
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
        has_training_row |= row.split == "train"
    if not has_training_row:
        names = ", ".join(map(str, paths))
        raise InputError(f"{names} holds no row of the split train", "add training rows")
    return rows


def split(rows: Rows, count: int, kept: Sequence[Row] | None = None) -> tuple[Rows, list[Row]]:
    """Return (training rows, at most `count` evaluation rows).

    `kept` are the held-out rows of the run, if one of its roles is trained on other data: none of them is
    trained on, and they are the evaluation rows if the data has none of its own.
    """
    if kept is None:
        return hold_out(rows, count)
    known = {_content(row) for row in kept}
    trained = np.fromiter((row.split == "train" for row in rows), np.bool_)
    new = np.fromiter((_content(row) not in known for row in rows), np.bool_)
    held_out = evenly_spaced(kept, count) if trained.all() else evaluation_rows(rows, trained, count)
    return Selected(rows, trained & new), held_out


def count_trained(train: Rows, held_out: Sequence[Row]) -> int:
    """Return the number of held-out rows whose transcript equals that of a training row."""
    contents = [_content(row) for row in held_out]
    trained = set(contents).intersection(map(_content, train))
    return sum(content in trained for content in contents)


def _content(row: Row) -> str:
    return compact(transcript_to_json(row.transcript))
