"""The exam's data: every task's reference calls give what it expects, and none is worded as training data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import InputError
from agent.evaluation.exam import reading
from agent.evaluation.exam.facts import states
from agent.evaluation.exam.judging import Outcome, judge
from agent.evaluation.exam.reading import read_exam
from agent.evaluation.exam.reference import reference_result
from agent.evaluation.exam.running import kind_of, prepared
from agent.evaluation.exam.schema import HALVES, LongFile, Task
from agent.tools import BUILTIN_NAMES

ROOT = Path(__file__).parent.parent
TASKS = read_exam(HALVES)
WORDED_BY_THE_MODEL = ("knowledge", "missing_argument", "none_fits")
"""Categories whose facts come from no tool."""


def unsupported(task: Task) -> Iterator[str]:
    """Yield what the reference calls of a task do not give: a fact, a file, a note, or a call that works."""
    with prepared(task) as (toolbox, state):
        known: list[str] = []
        before = state()
        for number, exchange in enumerate(task.exchanges, 1):
            observations = [reference_result(toolbox, call) for call in exchange.reference_calls]
            if task.category != "failures":
                yield from (f"turn {number}: {text}" for text in observations if text.startswith("error: "))
            known += [*observations, exchange.ask]
            names = tuple(call.name for call in exchange.reference_calls)
            answer = "\n".join(known)
            ending = exchange.ends[0] if exchange.ends[0] != "failed" else "answered"
            outcome = Outcome(ending, answer, names, tuple(observations))
            after = state()
            for problem in judge(exchange, outcome, before, after):
                free = not exchange.solution and task.category in WORDED_BY_THE_MODEL
                if not problem.startswith("the answer holds") and not (free and "lacks" in problem):
                    yield f"turn {number}: {problem}"
            wanted = " ; ".join(fact for fact in exchange.says if isinstance(fact, str))
            for fact in exchange.says_not:
                if states(wanted, fact):
                    yield f"turn {number}: {fact!r} is both asked for and refused"
            if exchange.solution and not (exchange.says or exchange.files or exchange.notes):
                yield f"turn {number}: nothing is judged but that a tool was called"
            before = after


def test_the_reference_calls_give_what_each_task_expects() -> None:
    problems = {task.id: list(unsupported(task)) for task in TASKS}
    assert not {name: found for name, found in problems.items() if found}


def test_every_task_has_an_id_and_a_question_of_its_own() -> None:
    ids = Counter(task.id for task in TASKS)
    first_questions = Counter(task.exchanges[0].ask.casefold() for task in TASKS)
    assert [name for name, count in (ids + first_questions).items() if count > 1] == []
    assert all(task.id for task in TASKS)


def test_the_exam_is_large_enough() -> None:
    kinds = Counter(kind_of(task) for task in TASKS)
    assert kinds["tool"] + kinds["no tool"] + kinds["refusal"] >= 400
    assert kinds["no tool"] + kinds["refusal"] >= 120
    assert kinds["dialogue"] >= 80
    called = {call.name for task in TASKS for one in task.exchanges for call in one.reference_calls}
    assert called == set(BUILTIN_NAMES)


def test_both_halves_hold_the_same_number_of_each_category() -> None:
    counts = [Counter(task.category for task in read_exam([half])) for half in HALVES]
    assert counts[0] == counts[1]


def test_a_run_that_is_stopped_has_measured_every_category() -> None:
    categories = {task.category for task in TASKS}
    assert {task.category for task in TASKS[: len(categories)]} == categories


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[tasks.c]]\nid = 'a'\n", "ask is missing"),
        ("[[tasks.c]]\nid = 'a'\nask = 'x'\nworkspace = 'no'\n", "a names no workspace of the file"),
        ("[[tasks.c]]\nid = 'a'\nask = 'x'\nanswer = 'y'\n", "an unknown field: tasks.c[0].answer"),
        ("[[tasks.c]", "Expected"),
    ],
)
def test_a_damaged_file_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, reason: str
) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "bad.toml").write_text(text)
    monkeypatch.setattr(reading, "FOLDER", tmp_path)
    with pytest.raises(InputError, match=r"bad\.toml") as raised:
        read_exam(["test"])
    assert reason in str(raised.value)


def test_a_long_file_has_its_lines_and_those_that_differ() -> None:
    long = LongFile(lines=3, text="line {n}", replace={"2": "needle"})
    assert long.content() == "line 1\nneedle\nline 3\n"
