"""Results of converting a record: a conversation in turns of schema 1, or the reason for none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.transcript import ToolSpec, Turn
from agent.transcript.formats.reading import Record, Unreadable


class UnusableRecordError(Exception):
    """A record that cannot become a row: `reason` is the category for counting, `detail` the fault."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else reason)


@dataclass(frozen=True)
class Conversation:
    """A converted conversation that is not validated yet."""

    tools: tuple[ToolSpec, ...]
    turns: tuple[Turn, ...]
    instruction: str = ""
    own_id: str = ""
    """The identifier of the conversation in the data, or within its record; empty if there is none."""
    is_test: bool = False
    """Whether it belongs to a test set, which must not be trained on."""


Conversion = Conversation | UnusableRecordError
ConvertRecords = Callable[
    [Path, Iterable[Record | Unreadable]], Iterator[tuple[Record | Unreadable, Conversion]]
]
"""(file, its records) -> (record, result) pairs in order; a record may have several results, or none."""


def convert_each(convert: Callable[[Mapping[str, Any]], Iterable[Conversion]]) -> ConvertRecords:
    """Return a `ConvertRecords` that applies `convert` to each record independently."""

    def read(
        _path: Path, records: Iterable[Record | Unreadable]
    ) -> Iterator[tuple[Record | Unreadable, Conversion]]:
        for record in records:
            for outcome in convert_record(record, convert):
                yield record, outcome

    return read


def convert_record(
    record: Record | Unreadable, convert: Callable[[Mapping[str, Any]], Iterable[Conversion]]
) -> Iterator[Conversion]:
    """Yield the results of `convert` for one record; an UnusableRecordError is a result too."""
    if isinstance(record, Unreadable):
        yield UnusableRecordError(record.reason, record.detail)
    elif not isinstance(record.value, Mapping):
        yield UnusableRecordError("not a JSON object", f"it is a {type(record.value).__name__}")
    else:
        try:
            yield from convert(record.value)
        except UnusableRecordError as error:
            yield error
        except RecursionError:
            yield UnusableRecordError("nested too deeply")


def require_object(value: Any, what: str) -> Mapping[str, Any]:
    """Return `value`. Raise UnusableRecordError, naming it `what`, if it is not an object."""
    if not isinstance(value, Mapping):
        raise UnusableRecordError(f"{what} is not an object")
    return value


def require_list(value: Any, what: str) -> list[Any]:
    """Return `value`. Raise UnusableRecordError, naming it `what`, if it is not a list."""
    if not isinstance(value, list):
        raise UnusableRecordError(f"{what} is not a list")
    return value


def require_text(value: Any, what: str) -> str:
    """Return `value`. Raise UnusableRecordError, naming it `what`, if it is not a string."""
    if not isinstance(value, str):
        raise UnusableRecordError(f"{what} is not text")
    return value
