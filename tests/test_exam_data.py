"""The exam's data: every task's reference calls give what it expects, and none is worded as training data."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from agent.errors import ToolError
from agent.evaluation.exam.judging import Outcome, judge
from agent.evaluation.exam.reading import read_exam
from agent.evaluation.exam.running import prepared
from agent.evaluation.exam.schema import HALVES, Fact, Task
from agent.evaluation.exam.facts import states

ROOT = Path(__file__).parent.parent
TASKS = read_exam(HALVES)
WORDED_BY_THE_MODEL = ("knowledge", "missing_argument")
"""Categories whose facts come from no tool."""


def unsupported(task: Task) -> Iterator[str]:
    """Yield what the reference calls of a task do not give: a fact, a file, a note, or a call that works."""
    with prepared(task) as (toolbox, state):
        known: list[str] = []
        before = state()
        for number, exchange in enumerate(task.exchanges, 1):
            observations = []
            for call in exchange.reference_calls:
                try:
                    observations.append(toolbox.run(call))
                except ToolError as error:
                    observations.append(f"error: {error}")
                    if task.category != "failures" and "failed" not in exchange.ends:
                        yield f"turn {number}: {call.line()} failed: {error}"
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
            for fact in exchange.says_not:
                if any(states(" ".join(one), fact) for one in [required(exchange.says)]):
                    yield f"turn {number}: {fact!r} is both asked for and refused"
            if exchange.solution and not (exchange.says or exchange.files or exchange.notes):
                yield f"turn {number}: nothing is judged but that a tool was called"
            before = after


def required(facts: tuple[Fact, ...]) -> list[str]:
    return [fact for fact in facts if isinstance(fact, str)]


def test_the_reference_calls_give_what_each_task_expects() -> None:
    problems = {task.id: list(unsupported(task)) for task in TASKS}
    assert not {name: found for name, found in problems.items() if found}
