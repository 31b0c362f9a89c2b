"""Calibration data of an importance matrix: rows that the model was trained on, or held-out ones."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from agent.errors import InputError
from agent.prompting import segment
from agent.prompting.encoding import Encoded, encode, load_tokenize
from agent.transcript import ROLES, Role, Row, Transcript, compact, transcript_to_json
from agent.transcript.rows import Line, read_lines, row_of
from train.run.files import BACKBONE, hash_file
from train.run.finished import Run

_SAMPLE_SIZE = 256
"""Lines drawn from all files, many more than an importance matrix needs: some of them do not fit."""
_MAX_LINE_BYTES = 1 << 20
"""A longer line is hardly a row that fits, and 256 of them would fill the memory."""
_MAX_READ_BYTES = 1 << 30
"""Bytes of lines that are read, divided evenly among the files: a few seconds, also of gzip."""
_SEED = 0


def calibration_sequences(run: Run, roles: Collection[Role]) -> tuple[list[Encoded], str]:
    """Return rows with turns of `roles`, each up to the last of those, and a description of their source.

    They are rows that the roles' adapter was trained on, in random but fixed order, or held-out rows where
    those files are gone or have changed. The list is empty where no row fits the run's `max_length`.
    """
    held_out = run.held_out()
    excluded = {_content(row) for row in held_out}
    files = _training_files(run, roles)
    lines = _sample(files)
    trained = (row for row in map(row_of, lines) if row.split == "train" and _content(row) not in excluded)
    if found := _encoded(run, trained, roles):
        return found, f"training rows of {' and '.join(roles)}"
    rows = random.Random(_SEED).sample(held_out, len(held_out))
    return _encoded(run, rows, roles), f"held-out rows of {' and '.join(roles)}"


def training_rows(run: Run, count: int) -> list[Row]:
    """Return at most `count` rows that the roles were trained on, in random but fixed order.

    Those that were held out are not among them; where the files are gone or have changed, they are all.
    """
    held_out = run.held_out()
    excluded = {_content(row) for row in held_out}
    files = list(dict.fromkeys(file for role in ROLES for file in _training_files(run, [role])))
    rows = map(row_of, _sample(files, count))
    return [row for row in rows if row.split == "train" and _content(row) not in excluded] or held_out


def _training_files(run: Run, roles: Collection[Role]) -> list[Path]:
    """Return the files that the adapter of `roles` was trained on; none where one is gone or has changed.

    A role that was trained alone may have had other files than the run.
    """
    name = next(iter(roles)) if len(roles) == 1 else BACKBONE
    stage = run.stages.get(name) or run.stages.get(BACKBONE) or {}
    data: Mapping[str, str] = stage.get("data", {})
    try:
        unchanged = all(hash_file(Path(path)) == sha for path, sha in data.items())
    except InputError:
        return []
    return list(map(Path, data)) if unchanged else []


def _sample(files: Collection[Path], size: int = _SAMPLE_SIZE) -> list[Line]:
    """Return lines of `files` by reservoir sampling (Vitter's algorithm R), shuffled; the same each time."""
    sample: list[Line] = []
    rng = random.Random(_SEED)
    for count, line in enumerate(_lines(files)):
        if count < size:
            sample.append(line)
        elif (index := rng.randrange(count + 1)) < size:
            sample[index] = line
    rng.shuffle(sample)
    return sample


def _lines(files: Collection[Path]) -> Iterator[Line]:
    for file in files:
        remaining = _MAX_READ_BYTES // len(files)
        for line in read_lines(file):
            remaining -= len(line.content)
            if remaining < 0:
                break
            if len(line.content) <= _MAX_LINE_BYTES:
                yield line


def _encoded(run: Run, rows: Iterable[Row], roles: Collection[Role]) -> list[Encoded]:
    """Return the rows with a turn of `roles`, cut after the last one, without those that are too long."""
    tokenize = load_tokenize(run.base)
    cut = (_up_to(row.transcript, roles) for row in rows)
    encoded = (encode(transcript, roles, tokenize, run.markers) for transcript in cut if transcript)
    return [sequence for sequence in encoded if len(sequence) <= run.recipe["max_length"]]


def _up_to(transcript: Transcript, roles: Collection[Role]) -> Transcript | None:
    """Return the transcript up to the last turn of `roles`; None where it has none."""
    at = [n for n, turn in enumerate(transcript.turns) if segment(turn).role in roles]
    return replace(transcript, turns=transcript.turns[: at[-1] + 1]) if at else None


def _content(row: Row) -> str:
    """Return the content of a row without its id, source, split and metadata."""
    return compact(transcript_to_json(row.transcript))
