"""`umi train data check`: every line against schema 1, overlap between rows, and lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from agent.errors import InputError
from agent.prompting import Tokenize, prompt_ids, segment, segments
from agent.transcript import Row, compact, row_from_json
from agent.transcript.rows import DamagedFileError, Line, read_lines, reason, row_files, row_of
from agent.transcript.validation import FieldError, InvalidFieldsError
from train.data.checks.lengths import open_tokenize
from train.data.checks.report import AGAINST, CheckReport, LocatedFault
from train.data.checks.validity import Fault, faults, is_unfinished
from train.data.terminal import visible
from train.data.views import view
from train.recipe import STAGES

PROGRESS = 50_000
"""Rows between progress lines."""


def check(
    paths: Sequence[Path],
    say: Callable[[str], None],
    *,
    against: Sequence[Path] = (),
    base: Path | None = None,
    max_length: int | None = None,
    as_json: bool = False,
) -> int:
    """Check the rows in `paths` line by line and print a report; return 2 where a line is not valid, else 0.

    Rows are compared with those in `against` too. Lengths are in tokens of the tokenizer in folder `base`,
    and rows longer than `max_length` are counted. Raise InputError for what cannot be read.
    """
    if max_length is not None and base is None:
        raise InputError("--max-length counts tokens", "name the base model with --base FOLDER")
    if max_length is not None and max_length < 1:
        raise InputError(f"--max-length is {max_length}", "give a number of at least 1")
    files, others = row_files(*paths), row_files(*against)
    tokenize = open_tokenize(base) if base else None
    report = CheckReport(max_length)
    for path in files:
        for found in examine(path, report, tokenize, say):
            if report.add_fault(found) and not as_json:
                print(found)
    for path in others:
        for line in read_lines(path):
            report.fingerprints.add(line, row_of(line), AGAINST)
    if as_json:
        print(compact(report.to_json()))
    else:
        for text in report.lines():
            print(visible(text))
    return 2 if report.faults else 0


def examine(
    path: Path, report: CheckReport, tokenize: Tokenize | None, say: Callable[[str], None]
) -> Iterator[LocatedFault]:
    """Yield the faults of one file in order, and count its rows in `report`."""
    report.files.setdefault(path, 0)
    try:
        for line in read_lines(path):
            report.rows += 1
            report.files[path] += 1
            faulty = False
            for fault in line_faults(line, report, tokenize):
                faulty = True
                yield LocatedFault(path, line.number, fault)
            report.faulty_rows += faulty
            if report.rows % PROGRESS == 0:
                say(f"{report.rows:,} rows, {report.faulty_rows:,} with faults")
    except DamagedFileError as error:
        yield LocatedFault(path, None, Fault("a damaged file", "", f"it {error.reason}"))
        return
    if not report.files[path]:
        yield LocatedFault(path, None, Fault("an empty file", "", "it holds no rows"))


def line_faults(line: Line, report: CheckReport, tokenize: Tokenize | None) -> Iterator[Fault]:
    """Yield the faults of one line; a row of the right form is counted in `report`."""
    try:
        row = row_from_json(line.value())
        found = list(faults(row.transcript))
        count(line, row, report, tokenize)
    except InvalidFieldsError as invalid:
        yield from map(field_fault, invalid.errors)
    except ValueError as error:
        kind, _, detail = reason(error).partition(": ")
        yield Fault(kind, "", detail)
    except RecursionError:
        yield Fault("the line is nested too deeply", "", "")
    else:
        yield from found
        report.unfinished += not found and is_unfinished(row.transcript.turns)


def field_fault(error: FieldError) -> Fault:
    """Return the fault that a refused field is reported as."""
    *parent, last = error.path or ("",)
    place = replace(error, path=tuple(parent)).name
    match error.kind:
        case "missing":
            return Fault("a missing field", place, str(last))
        case "unknown":
            return Fault("an unknown field", place, str(last))
        case "rule":
            return Fault("a wrong type or value", error.name, error.wanted)
    if error.path == ("schema",):
        return Fault("another schema", "schema", f"{error.shown}, where {error.wanted} should be")
    if last == "role" and len(error.path) == 3 and error.path[0] == "turns":
        return Fault("an unknown role", place, error.shown)
    return Fault("a wrong type or value", error.name, f"{error.shown}, not {error.wanted}")


def count(line: Line, row: Row, report: CheckReport, tokenize: Tokenize | None) -> None:
    """Count a row in `report`, its length in tokens too where there is a tokenizer."""
    transcript = row.transcript
    report.splits[row.split] += 1
    report.sources[row.source] += 1
    report.turns.update(segment(turn).role for turn in transcript.turns)
    report.fingerprints.add(line, row, row.split)
    report.characters.add(sum(len(piece.content) for piece in segments(transcript)))
    if tokenize is None:
        return
    length = len(prompt_ids(transcript, None, tokenize))
    report.tokens.add(length)
    if report.max_length is not None and length > report.max_length:
        for name in STAGES:
            read = view((row,), name, tokenize, report.max_length)
            report.trimmed[name] += read.trimmed
            report.too_long[name] += read.too_long
