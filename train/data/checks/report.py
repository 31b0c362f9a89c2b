"""What a check of rows found: counts, faults, repeats, overlaps and lengths, as lines of text or as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from train.data.checks.fingerprints import NAMED, Fingerprints, Overlap, Place, Repeats
from train.data.checks.lengths import Lengths
from train.data.checks.validity import Fault
from train.data.terminal import visible
from train.recipe import STAGES

SPLITS = ("train", "valid", "test")
AGAINST = "--against"
"""The split that rows of the files behind this option count as."""
LISTED = 1000
"""Faults that are listed; further ones are counted."""


@dataclass(frozen=True)
class Found:
    """A fault, and where it is. A file that cannot be read to its end has no line."""

    file: Path
    line: int | None
    fault: Fault

    def __str__(self) -> str:
        line = f", line {self.line}" if self.line else ""
        return visible(" ".join(f"{self.file}{line}: {self.fault}".split()))

    def to_json(self) -> dict[str, Any]:
        """The fault as an element of `faults`."""
        return {"file": str(self.file), "line": self.line, **asdict(self.fault)}


@dataclass
class CheckReport:
    """Everything that a check counts. Faulty rows whose form is right are in all counts but `unfinished`."""

    max_length: int | None = None
    """Tokens that the training is to hold; None where that was not asked."""
    rows: int = 0
    """Lines that are not blank, in all files."""
    files: dict[Path, int] = field(default_factory=dict)
    """Rows by file."""
    faulty_rows: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    """By kind."""
    listed: list[Found] = field(default_factory=list)
    """The first `LISTED` of them."""
    splits: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    turns: Counter[str] = field(default_factory=Counter)
    """By role."""
    unfinished: int = 0
    """Rows in order that break off before an answer."""
    characters: Lengths = field(default_factory=Lengths)
    tokens: Lengths = field(default_factory=Lengths)
    trimmed: Counter[str] = field(default_factory=Counter)
    """By view (`backbone` or a role), the rows that training would shorten to fit."""
    too_long: Counter[str] = field(default_factory=Counter)
    """By view, the rows that training would leave out."""
    prints: Fingerprints = field(default_factory=lambda: Fingerprints((*SPLITS, AGAINST)))

    def note(self, found: Found) -> bool:
        """Count a fault; whether it is one of those listed."""
        self.faults[found.fault.kind] += 1
        if len(self.listed) == LISTED:
            return False
        self.listed.append(found)
        return True

    def to_json(self) -> dict[str, Any]:
        """Everything as one JSON object."""
        repeated = {"rows": self.prints.repeated_rows(), "ids": self.prints.repeated_ids()}
        return {
            "valid": not self.faults,
            "rows": self.rows,
            "files": {str(file): rows for file, rows in self.files.items()},
            "faulty_rows": self.faulty_rows,
            "fault_kinds": dict(self.faults),
            "faults": [found.to_json() for found in self.listed],
            "splits": dict(self.splits),
            "sources": dict(self.sources),
            "turns": dict(self.turns),
            "unfinished": self.unfinished,
            "repeated": {name: _repeats_json(repeats) for name, repeats in repeated.items()},
            "overlaps": [_overlap_json(overlap) for overlap in self.prints.overlaps()],
            "characters": self.characters.to_json(),
            "tokens": self.tokens.to_json(),
            "max_length": self.max_length,
            "trimmed": dict(self.trimmed),
            "too_long": dict(self.too_long),
        }

    def lines(self) -> Iterator[str]:
        """Everything but the faults as text for people."""
        if (more := self.faults.total() - len(self.listed)) > 0:
            yield f"… and {more:,} more faults"
        files = _many(len(self.files), "file")
        yield f"{_many(self.rows, 'row')} in {files}, {self.faulty_rows:,} with faults"
        for name in ("faults", "splits", "sources", "turns"):
            counts: Counter[str] = getattr(self, name)
            if counts:
                told = _some((f"{count:,} {key}" for key, count in counts.most_common(NAMED)), len(counts))
                yield f"{name}: {told}"
        yield from self.characters.lines("characters")
        yield from self.tokens.lines("tokens")
        if self.max_length is not None:
            names = [name for name in STAGES if self.trimmed[name] or self.too_long[name]]
            told = (f"{n} {self.trimmed[n]:,} shortened, {self.too_long[n]:,} left out" for n in names)
            yield f"rows at {self.max_length:,} tokens: {'; '.join(told) or 'all fit'}"
        for warning in self._warnings():
            yield f"warning: {warning}"

    def _warnings(self) -> Iterator[str]:
        if self.unfinished:
            yield f"{_many(self.unfinished, 'row')} without an answer at the end"
        for what, repeats in (
            ("transcript", self.prints.repeated_rows()),
            ("id", self.prints.repeated_ids()),
        ):
            if repeats.count:
                told = _some((f"{row} (first: {first})" for row, first in repeats.some), repeats.count)
                yield f"{_many(repeats.count, 'row')} with the {what} of an earlier one: {told}"
        for overlap in self.prints.overlaps():
            one, other = overlap.splits
            if overlap.shared_rows:
                told = _some(map(str, overlap.some), overlap.shared_rows)
                count = f"{overlap.shared_rows:,} of {overlap.of_rows:,}"
                yield f"{count} rows of {other} ask what {one} asks: {told}"
            if overlap.shared_tools:
                told = _some(overlap.tools[:NAMED], len(overlap.tools))
                count = f"{overlap.shared_tools:,} of {overlap.of_tools:,}"
                yield f"{count} tools of {other} are in {one}: {told}"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _some(named: Iterable[str], count: int) -> str:
    names = list(named)
    return ", ".join(names) + (", …" if count > len(names) else "")


def _place_json(place: Place) -> dict[str, Any]:
    return {"file": str(place.file), "line": place.line}


def _repeats_json(repeats: Repeats) -> dict[str, Any]:
    some = [{**_place_json(row), "first": _place_json(first)} for row, first in repeats.some]
    return {"count": repeats.count, "some": some}


def _overlap_json(overlap: Overlap) -> dict[str, Any]:
    return {**asdict(overlap), "some": [_place_json(place) for place in overlap.some]}
