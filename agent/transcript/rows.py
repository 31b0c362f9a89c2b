"""Schema-1 rows on disk: one JSON object a line, plain or gzip, read as a stream or appended singly."""

from __future__ import annotations

import errno
import gzip
import json
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, NoReturn

from agent.errors import InputError
from agent.paths import append_line
from agent.transcript.matching import compact
from agent.transcript.schema import row_from_json, row_to_json
from agent.transcript.turns import Row

SUFFIXES = (".jsonl", ".jsonl.gz")
"""How the names of row files in a folder end; a file that is named itself may have any name."""
LINE_LIMIT = 64 * 1024 * 1024
"""Bytes of a line: a file without line ends (weights, a picture) is not read into memory whole."""

_GZIP = b"\x1f\x8b"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_NAME_ROWS = "name a file of schema-1 rows"


class DamagedFileError(InputError):
    """A file that cannot be read to its end; `line` is the last one that was read, 0 where none was."""

    def __init__(self, path: Path, reason: str, line: int, hint: str) -> None:
        self.reason = reason
        self.line = line
        super().__init__(f"{path} {reason}", hint)


@dataclass(frozen=True)
class Line:
    """One line of a file that is not blank, numbered from 1."""

    path: Path
    number: int
    content: bytes

    def value(self) -> dict[str, Any]:
        """Return the line's JSON object. Raise ValueError, or its subclass for bad UTF-8 or bad JSON."""
        # Some editors begin a file with a byte order mark.
        text = self.content.decode("utf-8-sig" if self.number == 1 else "utf-8")
        try:
            value = json.loads(text, parse_constant=_refuse_constant)
            if not isinstance(value, dict):
                raise ValueError("the line is not a JSON object")
            if _SURROGATE.search(self.content):
                compact(value).encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError("a text holds half of a surrogate pair, which UTF-8 cannot encode") from None
        except RecursionError:
            raise ValueError("the line is nested too deeply") from None
        return value


def row_files(*paths: Path) -> list[Path]:
    """Return `paths` in order, each folder replaced by the row files in it and its subfolders, sorted.

    Raise InputError naming a path that does not exist or a folder without row files.
    """
    files: list[Path] = []
    for path in paths:
        if os.path.isdir(path):
            found = sorted(file for file in path.rglob("*") if file.name.endswith(SUFFIXES))
            if not found:
                raise InputError(f"{path} holds no file named *.jsonl or *.jsonl.gz", _NAME_ROWS)
            files += found
        elif os.path.exists(path):
            files.append(path)
        else:
            raise InputError(f"{path} does not exist", _NAME_ROWS)
    return files


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the non-blank lines of a file; gzip is recognized by its first bytes. Raise DamagedFileError."""
    number = 0
    try:
        with _opened(path) as raw, gzip.open(raw) if raw.peek(2)[:2] == _GZIP else raw as file:
            if b"\0" in file.peek(1):
                raise DamagedFileError(path, "holds null bytes, which no text does", 0, _NAME_ROWS)
            while content := file.readline(LINE_LIMIT + 1):
                if len(content) > LINE_LIMIT:
                    raise DamagedFileError(
                        path, f"has more than {LINE_LIMIT >> 20} MiB in line {number + 1}", number, _NAME_ROWS
                    )
                number += 1
                if not content.isspace():
                    yield Line(path, number, content)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        reason = f"is gzip that breaks off or is damaged after line {number}"
        raise DamagedFileError(path, reason, number, "fetch or compress it again") from None
    except OSError as error:
        raise DamagedFileError(path, f"cannot be read: {error.strerror}", number, _NAME_ROWS) from None


def read_rows(*paths: Path) -> Iterator[Row]:
    """Yield the rows of files and folders in order. Raise InputError naming the file and line at fault."""
    for path in row_files(*paths):
        for line in read_lines(path):
            yield row_of(line)


def row_of(line: Line) -> Row:
    """Return the row in a line. Raise InputError naming the file and the line."""
    try:
        return row_from_json(line.value())
    except ValueError as error:
        joint = " is" if isinstance(error, json.JSONDecodeError | UnicodeDecodeError) else ":"
        raise InputError(
            f"{line.path}, line {line.number}{joint} {reason(error)}", "mend that line"
        ) from None


def reason(error: ValueError) -> str:
    """Return why a line could not be read, as the end of a sentence that begins with the line's number."""
    match error:
        case json.JSONDecodeError(msg=message, colno=column):
            return f"not JSON: {message} at column {column}"
        case UnicodeDecodeError():
            return "not UTF-8"
    return str(error)


def ensure_appendable(path: Path) -> None:
    """Raise InputError where rows cannot be appended to `path`; nothing is created or changed."""
    step = "name another file, one that ends in .jsonl"
    there = os.path.exists(path)
    if not os.path.isdir(path.parent):
        raise InputError(f"{path} cannot be written: {path.parent} is not a folder", step)
    if there and not os.path.isfile(path):
        raise InputError(f"{path} cannot be written: it is not a file", step)
    effective = os.access in os.supports_effective_ids
    if not os.access(path if there else path.parent, os.W_OK, effective_ids=effective):
        raise InputError(f"{path} cannot be written: permission denied", step)
    if path.suffix == ".gz" or (there and _begins_as_gzip(path)):
        raise InputError(f"{path} is gzip and rows are appended as plain text", step)
    if there and (first := next(read_lines(path), None)) is not None:
        row_of(first)


def append_row(path: Path, row: Row) -> None:
    """Append `row` to `path` as one line, all of it or nothing. Raise InputError where that fails."""
    try:
        append_line(path, compact(row_to_json(row)).encode("utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", "name another file") from None
    except UnicodeEncodeError:
        raise InputError(f"{path}: this row holds text that UTF-8 cannot encode", "leave it out") from None


def _opened(path: Path) -> BufferedReader:
    """Open a file or a pipe to read. A FIFO that nobody writes to is empty; opening it would wait."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except ValueError as error:  # a NUL in the name
        raise OSError(errno.EINVAL, str(error), str(path)) from None
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "rb")


def _begins_as_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == _GZIP


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"not JSON: it knows no {name}")
