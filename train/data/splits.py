"""The training and evaluation rows of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.errors import InputError
from agent.transcript import Row, compact, transcript_to_json
from agent.transcript.rows import read_lines, row_files, row_of
from train.data.checks.validity import faults
from train.data.rows import evenly_spaced, hold_out
from train.stored.rows import Selected, StoredRows


def rows_to_train(paths: Sequence[Path]) -> StoredRows:
    """Return the rows of `paths`, which may be more than memory holds.

    Raise InputError if there is no training row, or for the first line that is invalid or of a test set.
    """
    rows = StoredRows()
    has_training_row = False
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
        has_training_row |= row.split == "train"
    if not has_training_row:
        names = ", ".join(map(str, paths))
        raise InputError(f"{names} holds no row of the split train", "add training rows")
    return rows


def split(
    rows: Sequence[Row], count: int, kept: Sequence[Row] | None = None
) -> tuple[Sequence[Row], list[Row]]:
    """Return (training rows, at most `count` evaluation rows).

    `kept` are the held-out rows of the run, if one of its roles is trained on other data: none of them is
    trained on, and they are the evaluation rows if the data has none of its own.
    """
    if kept is None:
        return hold_out(rows, count)
    known = {_content(row) for row in kept}
    is_train = [row.split == "train" for row in rows]
    train = (at for at, row in enumerate(rows) if is_train[at] and _content(row) not in known)
    others = Selected(rows, (at for at, trained in enumerate(is_train) if not trained))
    return Selected(rows, train), evenly_spaced(others or kept, count)


def count_trained(train: Sequence[Row], held_out: Sequence[Row]) -> int:
    """Return the number of held-out rows whose transcript equals that of a training row."""
    contents = [_content(row) for row in held_out]
    known = set(contents)
    trained = {content for row in train if (content := _content(row)) in known}
    return sum(content in trained for content in contents)


def _content(row: Row) -> str:
    return compact(transcript_to_json(row.transcript))
