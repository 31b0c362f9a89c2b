"""The exam is in words of its own: no question shares a long run of words with the generator's phrasings.

Numbers, quoted texts, file names and placeholders are masked, and a placeholder matches any word. Only ids of
the exam are reported, so that neither side has to be looked at to mend the other.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path

from agent.evaluation.exam.reading import read_exam
from agent.evaluation.exam.schema import HALVES

WORDINGS = [
    Path(__file__).parent.parent / "train" / "data" / "phrasings",
    Path(__file__).parent.parent / "train" / "data" / "demonstrations" / "worlds",
]
"""Where the words of training data are."""
LENGTH = 6
"""Words of a run that is too long to share."""
LEAST_WORDS = 5
"""Words of a run that are not masked."""
MASK = "#"
_VALUE = re.compile(
    r"\{[^{}]*\}|<[^<>]*>|\"[^\"]*\"|\u201c[^\u201d]*\u201d|\u2018[^\u2019]*\u2019|(?<!\w)'[^']*'(?!\w)|\S*\w[./]\w\S*|[-+]?\d\S*"
)
_WORD = re.compile(rf"{MASK}|[^\W\d_]+(?:'[^\W\d_]+)*")


def words(text: str) -> list[str]:
    return _WORD.findall(_VALUE.sub(MASK, text.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")))


def runs(text: str) -> Iterator[tuple[str, ...]]:
    """Yield the runs of a text with enough words that are not masked."""
    listed = words(text)
    for start in range(len(listed) - LENGTH + 1):
        run = tuple(listed[start : start + LENGTH])
        if LENGTH - run.count(MASK) >= LEAST_WORDS:
            yield run


def masked_further(run: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield a run, and the same with words masked as long as enough are left."""
    plain = [at for at, word in enumerate(run) if word != MASK]
    for count in range(len(plain) - LEAST_WORDS + 1):
        for chosen in combinations(plain, count):
            yield tuple(MASK if at in chosen else word for at, word in enumerate(run))


def texts(path: Path) -> Iterable[str]:
    """Return the texts of a file: the strings of Python code, or the lines of anything else."""
    content = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return content.splitlines()
    constants = (node.value for node in ast.walk(ast.parse(content)) if isinstance(node, ast.Constant))
    return [line for value in constants if isinstance(value, str) for line in value.splitlines()]


def shared_ids(questions: Iterable[tuple[str, str]], phrasings: Iterable[str]) -> list[str]:
    """Return the ids of the questions, given as (id, text), that share a run with a phrasing."""
    known = {run for text in phrasings for run in runs(text)}
    return sorted(
        {name for name, text in questions for run in runs(text) if not known.isdisjoint(masked_further(run))}
    )


def test_no_question_is_worded_as_training_data() -> None:
    files = [
        path
        for folder in WORDINGS
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    questions = [(task.id, exchange.ask) for task in read_exam(HALVES) for exchange in task.exchanges]
    shared = shared_ids(questions, [text for path in files for text in texts(path)])
    assert files
    assert not shared, f"{len(shared)} questions share {LENGTH} words with the generator: {', '.join(shared)}"


def test_what_is_shared_is_found_behind_values_and_placeholders() -> None:
    questions = [
        ("same", "Please tell me how many days there are"),
        ("value", "so how many miles are 12.5 kilometres, friend"),
        ("word", "what is the weather in Oslo today"),
        ("own", "count the days for me, would you kindly"),
    ]
    phrasings = [
        "tell me how many days there",
        "how many miles are {value} kilometres, please",
        "what is the weather in {place} today",
    ]
    assert shared_ids(questions, phrasings) == ["same", "value", "word"]
