"""What the exchanges of a dialogue leave for a later question to refer to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Again:
    """A request that can be made again with another value: its kind, and its values by name."""

    kind: str
    slots: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Memory:
    """The referents of the last exchange that called tools; an empty field means that there is none."""

    again: Again | None = None
    number: str = ""
    """The result, without a unit."""
    unit: str = ""
    """The unit of `number`."""
    day: str = ""
    """A date that resulted, as YYYY-MM-DD."""
    weekday: str = ""
    """The weekday of `day`."""
    path: str = ""
    """The file that was spoken of or found."""
    paths: tuple[str, ...] = ()
    """Several files, in the order of the answer."""
    text: str = ""
    """What was read of `path`, if it was read whole."""
    answer: str = ""
    """The answer, set by the generator."""
    past: tuple[str, ...] = ()
    """The answers of earlier exchanges that called tools, oldest first, set by the generator."""

    def is_again(self, *kinds: str) -> bool:
        """Return whether the last request was of one of `kinds`."""
        return self.again is not None and self.again.kind in kinds

    def slot(self, name: str) -> str:
        """Return a value of the last request; empty if it had none of that name."""
        return self.again.slots.get(name, "") if self.again else ""


def binary(a: str, operator: str, b: str) -> Again:
    """Return an operation on two numbers as a later question can vary it."""
    return Again("binary", {"a": a, "op": operator, "b": b})


def decimal(value: str) -> str:
    """Return a value if it is a decimal number, with which a later question can calculate; else empty."""
    return value if value.replace(".", "", 1).isdigit() else ""


def only(paths: tuple[str, ...]) -> str:
    """Return the path if there is exactly one, which a later question can call "it"; else empty."""
    return paths[0] if len(paths) == 1 else ""
