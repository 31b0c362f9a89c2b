"""`umi train data import`: data in another format as a schema-1 file, and a list of what is dropped."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import TextIO

from agent.errors import InputError
from agent.transcript import Row, Split, Transcript, compact, row_to_json
from agent.transcript.formats.coercion import coerce_turn
from agent.transcript.formats.conversion import Conversation, UnusableRecordError
from agent.transcript.formats.reading import Record, Unreadable, find_files, read_records
from train.data.checks.validity import faults
from train.data.importers import IMPORTERS
from train.data.rows import write_rows

SHOWN = 20
"""Dropped records that are printed one by one; the rest are in the counts."""
PROGRESS = 10_000
"""Number of rows between progress lines."""


def import_rows(
    format: str,
    paths: Sequence[Path],
    out: Path,
    say: Callable[[str], None],
    *,
    split: Split = "train",
    limit: int | None = None,
    dropped_file: Path | None = None,
    source: str | None = None,
) -> int:
    """Write the data of `format` in `paths` to `out` as schema-1 rows; return the exit code.

    Rows that belong to no test set get `split`, and `source` (default: the format) as where they come from.
    Reading ends after `limit` rows. What is dropped is listed in `dropped_file`. Raise InputError where
    nothing can be imported or a file cannot be written.
    """
    if limit is not None and limit < 1:
        raise InputError(f"--limit is {limit}", "give a number of at least 1")
    files = find_files(paths)
    for target in filter(None, (out, dropped_file)):
        if any(target.exists() and target.samefile(file) for file in files):
            raise InputError(f"{target} is one of the files to import", "name another file to write")
    dropped = Dropped(dropped_file, say)
    try:
        rows = islice(imported_rows(format, files, split, dropped, source or format), limit)
        first = next(rows, None)
        if first is None:
            counts = dropped.summary() or "the files are empty"
            raise InputError(f"nothing could be imported as {format}: {counts}", "is it another format?")
        count = write_rows(out, chain([first], rows))
    finally:
        dropped.close()
    say(f"{out}: {count:,} rows" + (f"; dropped: {dropped.summary()}" if dropped.counts else ""))
    return 0


class Dropped:
    """The records that cannot be imported: counted by reason, printed, listed in a file if one is given.

    `close` puts the file in its place; it is empty where nothing was dropped. Each method raises InputError
    where the file cannot be written.
    """

    def __init__(self, path: Path | None, say: Callable[[str], None]) -> None:
        self.counts: Counter[str] = Counter()
        self.say = say
        self._path = path
        self._file: TextIO | None = None
        if path:
            with _writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                part = path.with_name(path.name + ".part")
                self._file = part.open("w", encoding="utf-8", errors="replace")

    def add(self, path: Path, record: Record | Unreadable, problem: UnusableRecordError) -> None:
        """Count, print and list one record."""
        self.counts[problem.reason] += 1
        total = self.counts.total()
        message = str(problem).encode("utf-8", "replace").decode()
        if total <= SHOWN:
            self.say(f"{path}, {record.place} {record.number}: {' '.join(message.split())}")
        elif total == SHOWN + 1:
            self.say("… more are only counted" + ("" if self._path else "; --dropped FILE lists them all"))
        if self._file and self._path:
            place = {"file": str(path), record.place: record.number}
            with _writing(self._path):
                line = compact({**place, "reason": problem.reason, "detail": problem.detail})
                self._file.write(line + "\n")

    def summary(self) -> str:
        """Return the counts by reason, most frequent first; empty where nothing was dropped."""
        return ", ".join(f"{count:,} {reason}" for reason, count in self.counts.most_common())

    def close(self) -> None:
        """Move the finished list to its place."""
        if self._file and self._path:
            with _writing(self._path):
                self._file.close()
                os.replace(self._file.name, self._path)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", "name another file") from None


def imported_rows(
    kind: str, files: Sequence[Path], split: Split, dropped: Dropped, source: str
) -> Iterator[Row]:
    """Yield the valid rows of `files` in order, and add what is not valid to `dropped`.

    A row's id is the name of its file, then its own id or the number of its record. Where files are in
    several folders, the name is relative to the folder that holds all of them.
    """
    above = Path(os.path.commonpath([file.absolute().parent for file in files]))
    seen: set[str] = set()
    count = 0
    for file in files:
        name = file.absolute().relative_to(above).as_posix().removesuffix(".gz")
        name = name.removesuffix(Path(name).suffix)
        for record, outcome in IMPORTERS[kind](file, read_records(file)):
            if isinstance(outcome, Conversation):
                try:
                    row = row_of(outcome, f"{name}/{outcome.own_id or record.number}", source, split)
                    if row.id in seen:
                        row = replace(row, id=f"{row.id}-{record.number}")
                    seen.add(row.id)
                    count += 1
                    yield row
                except UnusableRecordError as problem:
                    label = f"{outcome.own_id}: " if outcome.own_id else ""
                    outcome = UnusableRecordError(problem.reason, f"{label}{problem.detail}")
            if isinstance(outcome, UnusableRecordError):
                dropped.add(file, record, outcome)
            if isinstance(outcome, Conversation) and count % PROGRESS == 0:
                dropped.say(f"{count:,} rows, {dropped.counts.total():,} dropped")


def row_of(conversation: Conversation, name: str, source: str, split: Split) -> Row:
    """Return the row of a conversation. Raise UnusableRecordError where it cannot be made valid."""
    try:
        return _row(conversation, name, source, split)
    except RecursionError:
        raise UnusableRecordError("nested too deeply") from None


def _row(conversation: Conversation, name: str, source: str, split: Split) -> Row:
    tools = {tool.name: tool for tool in conversation.tools}
    turns = tuple(coerce_turn(turn, tools) for turn in conversation.turns)
    transcript = Transcript(conversation.tools, turns, conversation.instruction)
    if fault := next(faults(transcript), None):
        raise UnusableRecordError(fault.kind, ": ".join(filter(None, (fault.where, fault.detail))))
    row = Row(name, source, "test" if conversation.is_test else split, transcript)
    try:
        json.dumps(row_to_json(row), ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        raise UnusableRecordError("not UTF-8", error.reason) from None
    except ValueError:
        raise UnusableRecordError("not JSON", "a number is infinite or none") from None
    return row
