"""Detection of duplicates and of overlap between splits by hashes of transcripts, questions and tools.

A row takes about 40 bytes, and a new tool about 200. Hashes have 64 bits: the probability of a collision
among a million rows is about 1 in 30 million.
"""

from __future__ import annotations

import hashlib
import sys
import unicodedata
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.prompting import segments
from agent.transcript import Row, Transcript, UserTurn, compact
from agent.transcript.rows import Line

MAX_EXAMPLES = 10
"""Number of rows named as examples of duplicates or overlap."""
_PUNCTUATION = " .,;:!?\"'"


@dataclass(frozen=True)
class Place:
    """A line of a file, numbered from 1."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}"


@dataclass(frozen=True)
class Duplicates:
    """Number of rows that duplicate an earlier one, and examples, each with the first such row."""

    count: int
    some: tuple[tuple[Place, Place], ...]


@dataclass(frozen=True)
class Overlap:
    """Overlap of the second of two splits with the first."""

    splits: tuple[str, str]
    tools: tuple[str, ...]
    """Names of the tools that are in both with the same schema; sorted."""
    shared_tools: int
    of_tools: int
    """Number of different tools of the second split; several may have one name."""
    shared_rows: int
    """Number of rows of the second split with a question that also occurs in the first."""
    of_rows: int
    some: tuple[Place, ...]
    """The first of those rows."""


@dataclass
class _Split:
    rows: int = 0
    tools: dict[int, str] = field(default_factory=dict)
    questions: array[int] = field(default_factory=lambda: array("Q"))
    askers: array[int] = field(default_factory=lambda: array("Q"))
    """For each question, the index of its row."""


class Fingerprints:
    """Collects rows; reports duplicates and the overlap of splits."""

    def __init__(self, splits: Sequence[str]) -> None:
        """Collect rows under the names `splits`, which are compared in this order."""
        self._transcripts = array("Q")
        self._ids = array("Q")
        self._lines = array("Q")
        self._files: list[tuple[int, Path]] = []
        self._splits = {name: _Split() for name in splits}

    def add(self, line: Line, row: Row, split: str) -> None:
        """Add the row in `line` to `split`."""
        index = len(self._lines)
        if not self._files or self._files[-1][1] != line.path:
            self._files.append((index, line.path))
        self._lines.append(line.number)
        transcript = row.transcript
        self._transcripts.append(transcript_hash(transcript))
        self._ids.append(_hash(row.id))
        found = self._splits[split]
        found.rows += 1
        for tool in transcript.tools:
            found.tools.setdefault(_tool_hash(tool.line()), sys.intern(tool.name))
        for turn in transcript.turns:
            if isinstance(turn, UserTurn):
                found.questions.append(_hash(normalize_question(turn.content)))
                found.askers.append(index)

    def duplicate_rows(self) -> Duplicates:
        """Return the rows with the transcript of an earlier one."""
        return self._duplicates(self._transcripts)

    def duplicate_ids(self) -> Duplicates:
        """Return the rows with the id of an earlier one."""
        return self._duplicates(self._ids)

    def overlaps(self) -> Iterator[Overlap]:
        """Yield the overlap of each pair of splits that share tools or questions."""
        for one, other in combinations(self._splits, 2):
            overlap = self._overlap(one, other)
            if overlap.shared_tools or overlap.shared_rows:
                yield overlap

    def _overlap(self, one: str, other: str) -> Overlap:
        first, second = self._splits[one], self._splits[other]
        tools = first.tools.keys() & second.tools.keys()
        shared = np.isin(_numbers(second.questions), _numbers(first.questions))
        rows = np.unique(_numbers(second.askers)[shared])
        return Overlap(
            splits=(one, other),
            tools=tuple(sorted({second.tools[tool] for tool in tools})),
            shared_tools=len(tools),
            of_tools=len(second.tools),
            shared_rows=len(rows),
            of_rows=second.rows,
            some=tuple(self._place(row) for row in rows[:MAX_EXAMPLES].tolist()),
        )

    def _duplicates(self, hashes: array[int]) -> Duplicates:
        values = _numbers(hashes)
        order = np.argsort(values, kind="stable")
        ordered = values[order]
        new = np.ones(len(values), bool)
        new[1:] = ordered[1:] != ordered[:-1]
        starts = np.maximum.accumulate(np.where(new, np.arange(len(values)), 0))
        later, first = order[~new], order[starts[~new]]
        some = np.argsort(later)[:MAX_EXAMPLES]
        named = zip(later[some].tolist(), first[some].tolist(), strict=True)
        return Duplicates(len(later), tuple((self._place(row), self._place(of)) for row, of in named))

    def _place(self, index: int) -> Place:
        file = next(file for start, file in reversed(self._files) if start <= index)
        return Place(file, self._lines[index])


def normalize_question(question: str) -> str:
    """Return a question in lower case, with white space collapsed and without punctuation at its ends."""
    return " ".join(unicodedata.normalize("NFKC", question).casefold().split()).strip(_PUNCTUATION)


def transcript_hash(transcript: Transcript) -> int:
    """Return a hash that is equal for transcripts with equal prompts."""
    return _hash(compact([[piece.role, piece.content] for piece in segments(transcript)]))


@lru_cache(maxsize=4096)
def _tool_hash(line: str) -> int:
    return _hash(line)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def _numbers(values: array[int]) -> NDArray[np.uint64]:
    return np.frombuffer(values, np.uint64) if values else np.empty(0, np.uint64)
