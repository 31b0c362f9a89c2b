"""The report of a check of rows: counts, faults, duplicates, overlaps and lengths, as text or as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from train.data.checks.fingerprints import MAX_EXAMPLES, Duplicates, Fingerprints, Overlap, Place
from train.data.checks.lengths import Lengths
from train.data.checks.validity import Fault
from train.data.terminal import visible
from train.recipe import STAGES

SPLITS = ("train", "valid", "test")
AGAINST = "--against"
"""The name under which rows of the files given with this option are counted as a split."""
MAX_LISTED = 1000
"""Number of faults that are listed; further ones are only counted."""


@dataclass(frozen=True)
class LocatedFault:
    """A fault and its file and line; `line` is None for a fault of the whole file."""

    file: Path
    line: int | None
    fault: Fault

    def __str__(self) -> str:
        line = f", line {self.line}" if self.line else ""
        return visible(" ".join(f"{self.file}{line}: {self.fault}".split()))

    def to_json(self) -> dict[str, Any]:
        """Return the fault as an element of `faults`."""
        return {"file": str(self.file), "line": self.line, **asdict(self.fault)}


@dataclass
class CheckReport:
    """All results of a check. Faulty rows that match the schema are in all counts but `unfinished`."""

    max_length: int | None = None
    """Maximum length of a training sequence in tokens; None if not given."""
    rows: int = 0
    """Number of lines that are not blank, in all files."""
    files: dict[Path, int] = field(default_factory=dict)
    """Rows by file."""
    faulty_rows: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    """By kind."""
    listed: list[LocatedFault] = field(default_factory=list)
    """The first `MAX_LISTED` of them."""
    splits: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    turns: Counter[str] = field(default_factory=Counter)
    """By role."""
    unfinished: int = 0
    """Number of rows in valid order that end before an answer."""
    characters: Lengths = field(default_factory=Lengths)
    tokens: Lengths = field(default_factory=Lengths)
    trimmed: Counter[str] = field(default_factory=Counter)
    """View (`backbone` or a role) -> number of rows that training would truncate."""
    too_long: Counter[str] = field(default_factory=Counter)
    """View -> number of rows that training would drop."""
    fingerprints: Fingerprints = field(default_factory=lambda: Fingerprints((*SPLITS, AGAINST)))

    def add_fault(self, found: LocatedFault) -> bool:
        """Count a fault and return whether it is listed."""
        self.faults[found.fault.kind] += 1
        if len(self.listed) == MAX_LISTED:
            return False
        self.listed.append(found)
        return True

    def to_json(self) -> dict[str, Any]:
        """Return everything as one JSON object."""
        repeated = {"rows": self.fingerprints.duplicate_rows(), "ids": self.fingerprints.duplicate_ids()}
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
            "repeated": {name: _duplicates_json(duplicates) for name, duplicates in repeated.items()},
            "overlaps": [_overlap_json(overlap) for overlap in self.fingerprints.overlaps()],
            "characters": self.characters.to_json(),
            "tokens": self.tokens.to_json(),
            "max_length": self.max_length,
            "trimmed": dict(self.trimmed),
            "too_long": dict(self.too_long),
        }

    def lines(self) -> Iterator[str]:
        """Yield everything but the faults as lines of text."""
        if (more := self.faults.total() - len(self.listed)) > 0:
            yield f"… and {more:,} more faults"
        files = _pluralize(len(self.files), "file")
        yield f"{_pluralize(self.rows, 'row')} in {files}, {self.faulty_rows:,} with faults"
        for name in ("faults", "splits", "sources", "turns"):
            counts: Counter[str] = getattr(self, name)
            if counts:
                text = _join_some(
                    (f"{count:,} {key}" for key, count in counts.most_common(MAX_EXAMPLES)), len(counts)
                )
                yield f"{name}: {text}"
        yield from self.characters.lines("characters")
        yield from self.tokens.lines("tokens")
        if self.max_length is not None:
            names = [name for name in STAGES if self.trimmed[name] or self.too_long[name]]
            text = (f"{n} {self.trimmed[n]:,} truncated, {self.too_long[n]:,} dropped" for n in names)
            yield f"rows at {self.max_length:,} tokens: {'; '.join(text) or 'all fit'}"
        for warning in self._warnings():
            yield f"warning: {warning}"

    def _warnings(self) -> Iterator[str]:
        if self.unfinished:
            yield f"{_pluralize(self.unfinished, 'row')} without an answer at the end"
        for what, duplicates in (
            ("transcript", self.fingerprints.duplicate_rows()),
            ("id", self.fingerprints.duplicate_ids()),
        ):
            if duplicates.count:
                text = _join_some(
                    (f"{row} (first: {first})" for row, first in duplicates.some), duplicates.count
                )
                yield f"{_pluralize(duplicates.count, 'row')} with the {what} of an earlier one: {text}"
        for overlap in self.fingerprints.overlaps():
            one, other = overlap.splits
            if overlap.shared_rows:
                text = _join_some(map(str, overlap.some), overlap.shared_rows)
                count = f"{overlap.shared_rows:,} of {overlap.of_rows:,}"
                yield f"{count} rows of {other} ask what {one} asks: {text}"
            if overlap.shared_tools:
                text = _join_some(overlap.tools[:MAX_EXAMPLES], len(overlap.tools))
                count = f"{overlap.shared_tools:,} of {overlap.of_tools:,}"
                yield f"{count} tools of {other} are in {one}: {text}"


def _pluralize(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _join_some(named: Iterable[str], count: int) -> str:
    names = list(named)
    return ", ".join(names) + (", …" if count > len(names) else "")


def _place_json(place: Place) -> dict[str, Any]:
    return {"file": str(place.file), "line": place.line}


def _duplicates_json(duplicates: Duplicates) -> dict[str, Any]:
    some = [{**_place_json(row), "first": _place_json(first)} for row, first in duplicates.some]
    return {"count": duplicates.count, "some": some}


def _overlap_json(overlap: Overlap) -> dict[str, Any]:
    return {**asdict(overlap), "some": [_place_json(place) for place in overlap.some]}
