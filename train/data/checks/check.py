"""`umi train data check`: every line against schema 1, what rows share, and how long they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from agent.errors import InputError
from agent.extras import Parser, say
from agent.prompting import Tokenize, prompt_ids, segment, segments
from agent.transcript import Row, compact, row_from_json
from agent.transcript.rows import DamagedFile, Line, read_lines, reason, row_files, row_of
from agent.transcript.validation import FieldError, InvalidFields
from train.data.checks.lengths import open_tokenize
from train.data.checks.report import AGAINST, CheckReport, LocatedFault
from train.data.checks.validity import Fault, faults, is_unfinished
from train.data.terminal import visible
from train.data.views import view
from train.recipe import STAGES

PROGRESS = 50_000
"""Rows between progress lines."""


def check(argv: Sequence[str]) -> int:
    """Check rows line by line. The exit code is 2 where a line is not valid; warnings do not change it."""
    parser = Parser(prog="umi train data check", description=check.__doc__)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="rows, or a folder of them")
    parser.add_argument("--json", action="store_true", help="print the report as one object of JSON")
    parser.add_argument(
        "--base", type=Path, metavar="FOLDER", help="a base model: measure tokens with its tokenizer"
    )
    parser.add_argument(
        "--max-length", type=int, metavar="N", help="count the rows that training would shorten or leave out"
    )
    parser.add_argument(
        "--against",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="other rows to look for overlap with",
    )
    given = parser.parse_args(argv)
    if given.max_length is not None and given.base is None:
        raise InputError("--max-length counts tokens", "name the base model with --base FOLDER")
    if given.max_length is not None and given.max_length < 1:
        raise InputError(f"--max-length is {given.max_length}", "give a number of at least 1")
    files, against = row_files(*given.files), row_files(*given.against)
    tokenize = open_tokenize(given.base) if given.base else None
    findings = CheckReport(given.max_length)
    for path in files:
        for found in examine(path, findings, tokenize):
            if findings.add_fault(found) and not given.json:
                print(found)
    for path in against:
        for line in read_lines(path):
            findings.fingerprints.add(line, row_of(line), AGAINST)
    if given.json:
        print(compact(findings.to_json()))
    else:
        for text in findings.lines():
            print(visible(text))
    return 2 if findings.faults else 0


def examine(path: Path, findings: CheckReport, tokenize: Tokenize | None) -> Iterator[LocatedFault]:
    """The faults of one file in order. Everything else that it holds is counted in `findings`."""
    findings.files.setdefault(path, 0)
    try:
        for line in read_lines(path):
            findings.rows += 1
            findings.files[path] += 1
            faulty = False
            for fault in line_faults(line, findings, tokenize):
                faulty = True
                yield LocatedFault(path, line.number, fault)
            findings.faulty_rows += faulty
            if findings.rows % PROGRESS == 0:
                say(f"{findings.rows:,} rows, {findings.faulty_rows:,} with faults")
    except DamagedFile as error:
        yield LocatedFault(path, None, Fault("a damaged file", "", f"it {error.reason}"))
        return
    if not findings.files[path]:
        yield LocatedFault(path, None, Fault("an empty file", "", "it holds no rows"))


def line_faults(line: Line, findings: CheckReport, tokenize: Tokenize | None) -> Iterator[Fault]:
    """The faults of one line; a row whose form is right is counted."""
    try:
        row = row_from_json(line.value())
        found = list(faults(row.transcript))
        count(line, row, findings, tokenize)
    except InvalidFields as invalid:
        yield from map(field_fault, invalid.errors)
    except ValueError as error:
        kind, _, detail = reason(error).partition(": ")
        yield Fault(kind, "", detail)
    except RecursionError:
        yield Fault("the line is nested too deeply", "", "")
    else:
        yield from found
        findings.unfinished += not found and is_unfinished(row.transcript.turns)


def field_fault(error: FieldError) -> Fault:
    """The fault that a refused field is reported as."""
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


def count(line: Line, row: Row, findings: CheckReport, tokenize: Tokenize | None) -> None:
    """Take up a row in everything that is counted."""
    transcript = row.transcript
    findings.splits[row.split] += 1
    findings.sources[row.source] += 1
    findings.turns.update(segment(turn).role for turn in transcript.turns)
    findings.fingerprints.add(line, row, row.split)
    findings.characters.add(sum(len(piece.content) for piece in segments(transcript)))
    if tokenize is None:
        return
    length = len(prompt_ids(transcript, None, tokenize))
    findings.tokens.add(length)
    if findings.max_length is not None and length > findings.max_length:
        for name in STAGES:
            read = view((row,), name, tokenize, findings.max_length)
            findings.trimmed[name] += read.trimmed
            findings.too_long[name] += read.too_long
