"""The rows whose words an importance matrix is computed on: those that the model was trained on, as far as
they are still there."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from agent.errors import InputError
from agent.prompting import segment
from agent.prompting.encoding import Encoded, encode, load_tokenize
from agent.transcript import Role, Row, Transcript, compact, transcript_to_json
from agent.transcript.rows import Line, read_lines, row_of
from export.run import BACKBONE, Run, sha256

_LINES = 256
"""Lines taken out of all files, many more than an importance matrix needs: some of them do not fit."""
_LONGEST_LINE = 1 << 20
"""Bytes; a longer line is hardly a row that fits, and 256 of them would fill the memory."""
_LOOKED_THROUGH = 1 << 30
"""Bytes of lines that are looked through, shared out evenly among the files: a few seconds, also of gzip."""
_SEED = 0


def calibration(run: Run, roles: Collection[Role]) -> tuple[list[Encoded], str]:
    """Rows with turns of `roles`, up to the last of those, in random but fixed order; and what they are.

    They are rows that the roles' adapter was trained on, where the files are as they were then, else held-out
    rows. The list is empty where none of these fits the length that the run was trained with.
    """
    held_out = run.held_out()
    kept_back = {_content(row) for row in held_out}
    files = _files_of_training(run, roles)
    lines = _sample(files)
    trained = (row for row in map(row_of, lines) if row.split == "train" and _content(row) not in kept_back)
    if found := _encoded(run, trained, roles):
        return found, f"training rows of {' and '.join(roles)}"
    rows = random.Random(_SEED).sample(held_out, len(held_out))
    return _encoded(run, rows, roles), f"held-out rows of {' and '.join(roles)}"


def _files_of_training(run: Run, roles: Collection[Role]) -> list[Path]:
    """The files that the adapter of `roles` was trained on; none of them where one is gone or has changed.

    A role that was trained alone may have had other files than the run.
    """
    alone = next(iter(roles)) if len(roles) == 1 else BACKBONE
    stage = run.stages.get(alone) or run.stages.get(BACKBONE) or {}
    data: Mapping[str, str] = stage.get("data", {})
    try:
        whole = all(sha256(Path(path)) == sha for path, sha in data.items())
    except InputError:
        return []
    return list(map(Path, data)) if whole else []


def _sample(files: Collection[Path]) -> list[Line]:
    """Lines of `files`, each as likely as any other (Vitter's algorithm R), shuffled; the same each time."""
    chosen: list[Line] = []
    draw = random.Random(_SEED)
    for count, line in enumerate(_lines(files)):
        if count < _LINES:
            chosen.append(line)
        elif (place := draw.randrange(count + 1)) < _LINES:
            chosen[place] = line
    draw.shuffle(chosen)
    return chosen


def _lines(files: Collection[Path]) -> Iterator[Line]:
    for file in files:
        left = _LOOKED_THROUGH // len(files)
        for line in read_lines(file):
            left -= len(line.content)
            if left < 0:
                break
            if len(line.content) <= _LONGEST_LINE:
                yield line


def _encoded(run: Run, rows: Iterable[Row], roles: Collection[Role]) -> list[Encoded]:
    """The rows that have a turn of `roles`, cut after the last one, where they are not too long then."""
    tokenize = load_tokenize(run.base)
    cut = (_up_to(row.transcript, roles) for row in rows)
    encoded = (encode(one, roles, tokenize, run.markers) for one in cut if one)
    return [one for one in encoded if len(one) <= run.recipe["max_length"]]


def _up_to(transcript: Transcript, roles: Collection[Role]) -> Transcript | None:
    """The transcript up to the last turn of `roles`; None where there is none."""
    at = [n for n, turn in enumerate(transcript.turns) if segment(turn).role in roles]
    return replace(transcript, turns=transcript.turns[: at[-1] + 1]) if at else None


def _content(row: Row) -> str:
    """What a row says, whatever it is called."""
    return compact(transcript_to_json(row.transcript))
