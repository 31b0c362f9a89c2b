"""`umi train data import`: data in another format as a schema-1 file, and a list of dropped records."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import TextIO

from agent.errors import InputError
from agent.extras import Parser, say
from agent.transcript import Row, Split, Transcript, compact, row_to_json
from train.data.checks.validity import faults
from train.data.importers import IMPORTERS
from train.data.importers.common.coercion import coerce_turn
from train.data.importers.common.conversion import Conversation, Unusable
from train.data.importers.common.reading import Record, Unreadable, find_files, read_records
from train.data.rows import write_rows

SHOWN = 20
"""Number of dropped records that are reported one by one on stderr; the others are only counted."""
PROGRESS = 10_000
"""Number of rows between progress lines."""


def import_rows(argv: Sequence[str]) -> int:
    """Make schema-1 rows of data in another format."""
    parser = Parser(prog="umi train data import", description=import_rows.__doc__)
    parser.add_argument("format", choices=IMPORTERS, help=f"one of {', '.join(IMPORTERS)}", metavar="FORMAT")
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="JSON or JSON lines, gzip or not, or a folder"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="OUT", help="schema-1 file to write")
    parser.add_argument(
        "--split", choices=["train", "valid", "test"], default="train", help="of rows that are no test set's"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="stop after so many rows")
    parser.add_argument("--dropped", type=Path, metavar="FILE", help="write all that is dropped there")
    parser.add_argument("--source", metavar="NAME", help="what rows say they come from; default: the format")
    given = parser.parse_args(argv)
    if given.limit is not None and given.limit < 1:
        raise InputError(f"--limit is {given.limit}", "give a number of at least 1")
    files = find_files(given.files)
    for target in filter(None, (given.out, given.dropped)):
        if any(target.exists() and target.samefile(file) for file in files):
            raise InputError(f"{target} is one of the files to import", "name another file to write")
    dropped = Dropped(given.dropped)
    try:
        rows = imported_rows(given.format, files, given.split, dropped, given.source or given.format)
        rows = islice(rows, given.limit)
        first = next(rows, None)
        if first is None:
            counts = dropped.summary() or "the files are empty"
            raise InputError(
                f"nothing could be imported as {given.format}: {counts}", "is it another format?"
            )
        count = write_rows(given.out, chain([first], rows))
    finally:
        dropped.close()
    say(f"{given.out}: {count:,} rows" + (f"; dropped: {dropped.summary()}" if dropped.counts else ""))
    return 0


class Dropped:
    """The dropped records: counted by reason, reported on stderr, and written to the file `path` if given.

    The file appears when `close` is called, empty if nothing was dropped. Each method raises InputError if it
    cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self.counts: Counter[str] = Counter()
        self._path = path
        self._file: TextIO | None = None
        if path:
            with _writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                part = path.with_name(path.name + ".part")
                self._file = part.open("w", encoding="utf-8", errors="replace")

    def add(self, path: Path, record: Record | Unreadable, problem: Unusable) -> None:
        """Count and report a dropped record."""
        self.counts[problem.reason] += 1
        total = self.counts.total()
        told = str(problem).encode("utf-8", "replace").decode()
        if total <= SHOWN:
            say(f"{path}, {record.place} {record.number}: {' '.join(told.split())}")
        elif total == SHOWN + 1:
            say("… more are only counted" + ("" if self._path else "; --dropped FILE lists them all"))
        if self._file and self._path:
            place = {"file": str(path), record.place: record.number}
            with _writing(self._path):
                line = compact({**place, "reason": problem.reason, "detail": problem.detail})
                self._file.write(line + "\n")

    def summary(self) -> str:
        """Return the counts by reason, most frequent first; empty if nothing was dropped."""
        return ", ".join(f"{count:,} {reason}" for reason, count in self.counts.most_common())

    def close(self) -> None:
        """Close the file and rename it to its final name."""
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
    """Yield the valid rows of `files` in order; add all other records to `dropped`.

    The id of a row is the path of its file below the common folder of all files, then the identifier in the
    data or the position in the file.
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
                except Unusable as problem:
                    label = f"{outcome.own_id}: " if outcome.own_id else ""
                    outcome = Unusable(problem.reason, f"{label}{problem.detail}")
            if isinstance(outcome, Unusable):
                dropped.add(file, record, outcome)
            if isinstance(outcome, Conversation) and count % PROGRESS == 0:
                say(f"{count:,} rows, {dropped.counts.total():,} dropped")


def row_of(conversation: Conversation, name: str, source: str, split: Split) -> Row:
    """Return the row of a converted conversation. Raise Unusable if it is not valid."""
    try:
        return _row(conversation, name, source, split)
    except RecursionError:
        raise Unusable("nested too deeply") from None


def _row(conversation: Conversation, name: str, source: str, split: Split) -> Row:
    tools = {tool.name: tool for tool in conversation.tools}
    turns = tuple(coerce_turn(turn, tools) for turn in conversation.turns)
    transcript = Transcript(conversation.tools, turns, conversation.instruction)
    if fault := next(faults(transcript), None):
        raise Unusable(fault.kind, ": ".join(filter(None, (fault.where, fault.detail))))
    row = Row(name, source, "test" if conversation.is_test else split, transcript)
    try:
        json.dumps(row_to_json(row), ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        raise Unusable("not UTF-8", error.reason) from None
    except ValueError:
        raise Unusable("not JSON", "a number is infinite or none") from None
    return row
