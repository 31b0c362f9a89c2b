"""Reading of the exam's files."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from agent.errors import InputError
from agent.evaluation.exam.schema import DialogueEntry, ExamFile, Exchange, Half, Task, TaskEntry, World
from agent.transcript.validation import InvalidFieldsError, validate

FOLDER = Path(__file__).parent


def read_exam(halves: Sequence[Half]) -> list[Task]:
    """Return the tasks of `halves`, the first of each category, then the second of each, and so on.

    In this order, a run that is stopped has measured every category. Raise InputError naming a file at fault.
    """
    tasks = [
        task
        for half in halves
        for path in sorted((FOLDER / half).glob("*.toml"))
        for task in _read(path, half)
    ]
    ordered = []
    for _, group in groupby(sorted(tasks, key=lambda task: task.category), key=lambda task: task.category):
        ordered += enumerate(group)
    return [task for _, task in sorted(ordered, key=lambda pair: pair[0])]


def _read(path: Path, half: Half) -> Iterator[Task]:
    try:
        file = validate(ExamFile, tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, InvalidFieldsError) as error:
        raise InputError(f"{path}: {error}", "mend that file") from None
    entries: Iterator[tuple[str, TaskEntry | DialogueEntry]] = (
        (category, entry)
        for group in (file.tasks, file.dialogues)
        for category, listed in group.items()
        for entry in listed
    )
    for category, entry in entries:
        if entry.workspace and entry.workspace not in file.workspaces:
            raise InputError(f"{path}: {entry.id} names no workspace of the file", "mend that file")
        world = file.workspaces[entry.workspace] if entry.workspace else World()
        if isinstance(entry, DialogueEntry):
            yield Task(entry.id, category, half, world, entry.turns)
        else:
            exchanges: tuple[Exchange, ...] = (entry,)
            yield Task(entry.id, category, half, world, exchanges, entry.tools)
