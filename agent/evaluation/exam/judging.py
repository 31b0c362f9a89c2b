"""Judging of a turn by its ending, its calls, its answer, and the files and notes it wrote."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.evaluation.exam.facts import normalize, states
from agent.evaluation.exam.schema import Exchange, Fact, FileCheck
from agent.events import Reason
from agent.tools.lib.note_store import read_notes

SHOWN = 80
"""Maximum length in characters of a text quoted in a fault."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a turn: its ending, the answer, and the calls in order with their observations."""

    reason: Reason
    answer: str
    calls: tuple[str, ...] = ()
    observations: tuple[str, ...] = ()


@dataclass(frozen=True)
class State:
    """The files of a workspace (path -> text) and the user's notes, oldest first."""

    files: Mapping[str, str]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, workspace: Path, notes: Path) -> State:
        """Return the state on disk."""
        files = {
            path.relative_to(workspace).as_posix(): path.read_bytes().decode("utf-8", "replace")
            for path in sorted(workspace.rglob("*"))
            if path.is_file()
        }
        return cls(files, tuple(note.text for note in read_notes(notes)))


def judge(
    exchange: Exchange,
    outcome: Outcome,
    before: State,
    after: State,
    unrelated: Collection[str] = (),
) -> list[str]:
    """Return the faults of a turn, one line each; empty if it is right.

    `unrelated` are normalized texts that a relevant answer does not quote.
    """
    return [
        *_ending(exchange, outcome),
        *_calls(exchange, outcome),
        *_answer(exchange, outcome),
        *_quotes(outcome.answer, unrelated),
        *_files(exchange.files, before.files, after.files),
        *_notes(exchange.notes, before.notes, after.notes),
    ]


def _ending(exchange: Exchange, outcome: Outcome) -> Iterator[str]:
    if outcome.reason not in exchange.ends:
        yield f"it ended {outcome.reason}, not {' or '.join(exchange.ends)}"
    elif not outcome.answer.strip():
        yield "the answer is empty"


def _calls(exchange: Exchange, outcome: Outcome) -> Iterator[str]:
    match exchange.must_call:
        case "none":
            if outcome.calls:
                yield f"{outcome.calls[0]} was called, and no call was needed"
        case "must":
            if not outcome.calls:
                yield "no tool was called"
        case "may":
            pass
        case names:
            if not set(names) & set(outcome.calls):
                yield f"{' or '.join(names)} was not called"


def _answer(exchange: Exchange, outcome: Outcome) -> Iterator[str]:
    for fact in exchange.results:
        if not any(states(text, fact) for text in outcome.observations):
            yield f"no result holds {_shown(fact)}"
    for fact in exchange.says:
        if not states(outcome.answer, fact, outcome.observations):
            yield f"the answer lacks {_shown(fact)}"
    for fact in exchange.says_not:
        if states(outcome.answer, fact):
            yield f"the answer holds {_shown(fact)}"


def _quotes(answer: str, unrelated: Collection[str]) -> Iterator[str]:
    plain = normalize(answer)
    quoted = sorted(text for text in unrelated if text in plain)
    if quoted:
        yield f"the answer quotes {_shown(quoted[0])}, which was not asked for"


def _files(
    expected: Mapping[str, FileCheck | Fact], before: Mapping[str, str], after: Mapping[str, str]
) -> Iterator[str]:
    for path in sorted(before.keys() | after.keys() | expected.keys()):
        if path in expected:
            if path not in after:
                yield f"{path} was not written"
            else:
                yield from (f"{path} {problem}" for problem in _content(after[path], expected[path]))
        elif path not in before:
            yield f"{path} was written, and nobody asked for it"
        elif before[path] != after.get(path):
            yield f"{path} was changed, and nobody asked for it"


def _content(text: str, expected: FileCheck | Fact) -> Iterator[str]:
    if isinstance(expected, FileCheck):
        yield from (f"lacks {_shown(fact)}" for fact in expected.holds if not states(text, fact))
        yield from (f"holds {_shown(fact)}" for fact in expected.lacks if states(text, fact))
    elif all(_plain(text) != _plain(one) for one in ((expected,) if isinstance(expected, str) else expected)):
        yield f"is {_shown(text)}"


def _plain(text: str) -> str:
    """Return a text without white space at its ends and at the ends of its lines."""
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def _notes(expected: Sequence[Fact], before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    added = after[len(before) :]
    if len(added) != len(expected):
        yield f"{len(added)} notes were added, not {len(expected)}"
        return
    for text, facts in zip(added, expected, strict=True):
        for fact in (facts,) if isinstance(facts, str) else facts:
            if not states(text, fact):
                yield f"the note {_shown(text)} lacks {_shown(fact)}"


def _shown(value: Fact) -> str:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else " or ".join(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
