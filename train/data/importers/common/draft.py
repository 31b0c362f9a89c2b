"""What an importer makes of one record: a conversation in our turns, or why it cannot be one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agent.transcript import ToolSpec, Turn
from train.data.importers.common.reading import Record, Unreadable


class Unusable(Exception):
    """A record cannot become a row: `reason` is what it is counted under, `detail` what is wrong in it."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else reason)


@dataclass(frozen=True)
class Draft:
    """A conversation that is not checked yet."""

    tools: tuple[ToolSpec, ...]
    turns: tuple[Turn, ...]
    instruction: str = ""
    own_id: str = ""
    """What the data calls this conversation, or which one of the record's it is; empty where neither is."""
    is_test: bool = False
    """Whether it belongs to a test set, which is never trained on."""


Outcome = Draft | Unusable
Read = Callable[[Path, Iterable[Record | Unreadable]], Iterator[tuple[Record | Unreadable, Outcome]]]
"""(file, its records) -> what became of them, in order; a record may become several rows, or none."""


def each(convert: Callable[[Mapping[str, Any]], Iterable[Outcome]]) -> Read:
    """A reader of records that do not depend on each other. What `convert` raises is the record's outcome."""

    def read(
        _path: Path, records: Iterable[Record | Unreadable]
    ) -> Iterator[tuple[Record | Unreadable, Outcome]]:
        for record in records:
            for outcome in outcomes(record, convert):
                yield record, outcome

    return read


def outcomes(
    record: Record | Unreadable, convert: Callable[[Mapping[str, Any]], Iterable[Outcome]]
) -> Iterator[Outcome]:
    """What `convert` makes of one record."""
    if isinstance(record, Unreadable):
        yield Unusable(record.reason, record.detail)
    elif not isinstance(record.value, Mapping):
        yield Unusable("not a JSON object", f"it is a {type(record.value).__name__}")
    else:
        try:
            yield from convert(record.value)
        except Unusable as error:
            yield error
        except ValidationError as error:
            yield Unusable("a wrong type or value", error.errors()[0]["msg"])
        except RecursionError:
            yield Unusable("nested too deeply")


def mapping(value: Any, what: str) -> Mapping[str, Any]:
    """`value`, an object. Raises Unusable naming `what` it is."""
    if not isinstance(value, Mapping):
        raise Unusable(f"{what} is not an object")
    return value


def listed(value: Any, what: str) -> list[Any]:
    """`value`, a list. Raises Unusable naming `what` it is."""
    if not isinstance(value, list):
        raise Unusable(f"{what} is not a list")
    return value


def text(value: Any, what: str) -> str:
    """`value`, a text. Raises Unusable naming `what` it is."""
    if not isinstance(value, str):
        raise Unusable(f"{what} is not text")
    return value
