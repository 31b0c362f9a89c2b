"""Reading of the files of a benchmark: usable records, and counts of the others by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from agent.errors import InputError
from agent.transcript.formats.conversion import UnusableRecordError
from agent.transcript.formats.reading import Record, find_files, read_records

T = TypeVar("T")


def read_usable(
    paths: Sequence[Path],
    convert: Callable[[Path], Callable[[Mapping[str, Any]], Iterator[T | UnusableRecordError]]],
    *,
    limit: int,
    what: str,
) -> tuple[list[T], dict[str, int]]:
    """Return the first `limit` usable items of each file, and why how many others of those read are not.

    `convert(file)` returns what yields the items of one record. Raise InputError where a path cannot be read
    or no file holds `what`.
    """
    items: list[T] = []
    left_out: Counter[str] = Counter()
    for file in find_files(paths):
        items += islice(_usable(file, convert(file), left_out), limit)
    if not items:
        reasons = ", ".join(f"{reason} ({count})" for reason, count in left_out.most_common(3))
        raise InputError(
            f"{', '.join(map(str, paths))}: no {what} there{f': {reasons}' if reasons else ''}",
            "name the files as their authors publish them",
        )
    return items, dict(left_out.most_common())


def _usable(
    file: Path,
    convert: Callable[[Mapping[str, Any]], Iterator[T | UnusableRecordError]],
    left_out: Counter[str],
) -> Iterator[T]:
    for record in read_records(file):
        if not isinstance(record, Record):
            left_out[record.reason] += 1
        elif not isinstance(record.value, Mapping):
            left_out["not a JSON object"] += 1
        else:
            try:
                for item in convert(record.value):
                    if isinstance(item, UnusableRecordError):
                        left_out[item.reason] += 1
                    else:
                        yield item
            except UnusableRecordError as error:
                left_out[error.reason] += 1
            except RecursionError:
                left_out["nested too deeply"] += 1
