"""Streaming of records from JSON and JSON-lines files, gzip or not, with one record in memory at a time.

A file that begins with `[` is an array; one that begins with `{` has an object a line, or one object over
several lines. Bytes that are not UTF-8 are read as lone surrogates, so that only their record is lost.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn, TextIO

from agent.errors import InputError

SUFFIXES = (".json", ".jsonl", ".ndjson")
"""Extensions of the files read from a folder, with or without `.gz`."""
_CHUNK = 1 << 16
_BETWEEN = re.compile(r"[ \t\r\n,]*")
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Record:
    """A JSON value and its position: the number of a line or of an array element (`place`), from 1."""

    value: Any
    place: str
    number: int


@dataclass(frozen=True)
class Unreadable:
    """A position where a record cannot be parsed."""

    reason: str
    detail: str
    place: str
    number: int


def reject_constant(name: str) -> NoReturn:
    """Raise ValueError for NaN and Infinity, which Python parses but JSON does not have."""
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=reject_constant)


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Return `paths` with each folder replaced by the data files in it, at any depth, sorted.

    Raise InputError if a path does not exist or a folder contains no such file.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(file for file in path.rglob("*") if file.is_file() and _is_data(file))
            if not found:
                raise InputError(f"{path} holds no data file", f"name one of {', '.join(SUFFIXES)} or .gz")
            files += found
        elif path.is_file():
            files.append(path)
        else:
            raise InputError(f"{path} does not exist", "name files or folders to import")
    return list(dict.fromkeys(files))


def _is_data(path: Path) -> bool:
    name = path.name.removesuffix(".gz")
    return name.endswith(SUFFIXES) and not name.startswith(".")


def read_records(path: Path) -> Iterator[Record | Unreadable]:
    """Yield the records of `path` in order. Raise InputError if the file cannot be read to its end."""
    try:
        with path.open("rb") as raw:
            plain = gzip.GzipFile(fileobj=raw) if raw.peek(2)[:2] == _GZIP else raw
            with io.TextIOWrapper(plain, encoding="utf-8-sig", errors="surrogateescape") as file:
                yield from _records(file)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read: {reason}", "give a whole file") from None


def _records(file: TextIO) -> Iterator[Record | Unreadable]:
    number, head = 0, ""
    for head in file:
        number += 1
        if head.strip():
            break
    if head.lstrip().startswith("["):
        yield from _elements(head.lstrip()[1:], file)
        return
    second = next(file, "")
    if head.lstrip().startswith("{") and second.strip() and not second.lstrip().startswith("{"):
        yield _parse(head + second + file.read(), "line", number)
        return
    for at, line in enumerate(chain([head, second], file), number):
        if line.strip():
            yield _parse(line, "line", at)


def _parse(line: str, place: str, number: int) -> Record | Unreadable:
    try:
        return Record(_DECODER.decode(line), place, number)
    except (ValueError, RecursionError) as error:
        return Unreadable("not JSON", str(error), place, number)


def _elements(buffer: str, file: TextIO) -> Iterator[Record | Unreadable]:
    at, number, ended = 0, 0, False
    while True:
        at = _BETWEEN.match(buffer, at).end()  # type: ignore[union-attr]  # it matches the empty text too
        if buffer.startswith("]", at):
            return
        problem = "the array is not closed"
        if at < len(buffer):
            try:
                value, end = _DECODER.raw_decode(buffer, at)
                # A number at the end of the buffer may go on in what is not read yet.
                if end < len(buffer) or ended:
                    at, number = end, number + 1
                    yield Record(value, "element", number)
                    continue
            except json.JSONDecodeError as error:
                problem = error.msg
                # What is merely cut off fails at the buffer's end, or at the start of an open text.
                ended = ended or (error.pos < len(buffer) - 16 and not problem.startswith("Unterminated"))
            except (ValueError, RecursionError) as error:
                problem, ended = str(error), True
        if ended:
            yield Unreadable("not JSON", f"{problem}; what follows was not read", "element", number + 1)
            return
        # Twice as much each time, so that a large element is not parsed again for every piece of it.
        more = file.read(max(_CHUNK, len(buffer) - at))
        ended = not more
        buffer, at = buffer[at:] + more, 0
