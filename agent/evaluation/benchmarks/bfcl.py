"""The Berkeley Function-Calling Leaderboard, version 4, single turns in Python, judged by its AST rules.

The leaderboard asks a model for all calls of a question at once; here they are the calls of the first step.
Where no tool serves (irrelevance), no call is right; where one does and no answer says which (relevance),
every call is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from agent.evaluation.benchmarks.ast_rules import Answer, calls_fault
from agent.evaluation.benchmarks.baselines import call_first_unused_tool, give_up
from agent.evaluation.benchmarks.benchmark import Benchmark, Case, Outcome
from agent.evaluation.benchmarks.reading import read_usable
from agent.evaluation.benchmarks.step import Step
from agent.transcript import Transcript
from agent.transcript.formats.bfcl import ANSWERS, Kind, kind_of, question_of, read_answers
from agent.transcript.formats.conversion import UnusableRecordError, require_list, require_object
from agent.transcript.formats.reading import find_files

OTHER_LANGUAGES = ("java", "javascript")
"""The ends of categories whose rules are not those of Python."""
_FILE = re.compile(r"(BFCL_v\d+_)?(?P<category>.+?)\.jsonl?(\.gz)?")


def read_bfcl(paths: Sequence[Path], limit: int) -> Benchmark:
    """Return the first `limit` questions of each file of `paths`. Raise InputError where there are none."""
    cases, left_out = read_usable(paths, _converter, limit=limit, what="questions of BFCL")
    return Benchmark(
        "bfcl",
        cases,
        list(dict.fromkeys(map(category_of, find_files(paths)))),
        left_out,
        frozenset({"caller"}),
        {"first tool": call_first_unused_tool, "no call": give_up},
        "right by the AST rules of BFCL v4, our own implementation; the calls of the first step count",
    )


def category_of(path: Path) -> str:
    """Return the category in the name of a file: `simple_python` for `BFCL_v4_simple_python.json`."""
    match = _FILE.fullmatch(path.name)
    return match["category"] if match else path.name


def _converter(path: Path) -> Callable[[Mapping[str, Any]], Iterator[Case | UnusableRecordError]]:
    if path.parent.name == ANSWERS:
        return lambda _value: iter(())
    if category_of(path).endswith(OTHER_LANGUAGES):
        return lambda _value: iter([UnusableRecordError("the rules of another language")])
    return partial(_cases, category=category_of(path), kind=kind_of(path), answers=read_answers(path))


def _cases(
    value: Mapping[str, Any], *, category: str, kind: Kind, answers: Mapping[str, Any]
) -> Iterator[Case]:
    question = question_of(value, answers)
    functions = question.functions if isinstance(question.functions, list) else [question.functions]
    if kind == "answers":
        truth = _checked(question.truth, functions)
        judge = partial(_judge_calls, category=category, truth=truth, functions=functions)
    else:
        judge = partial(_judge_restraint, category=category, calls=kind == "relevance")
    history = Transcript(question.tools, question.turns, question.instruction)
    yield Case(question.id, history, judge, question.id)


def _checked(truth: Any, functions: Sequence[Mapping[str, Any]]) -> list[Answer]:
    """Return the accepted calls. Raise UnusableRecordError for none, or for tools not on offer."""
    if truth is None:
        raise UnusableRecordError("no answer")
    names = {function["name"] for function in functions if isinstance(function.get("parameters"), Mapping)}
    for answer in require_list(truth, "ground_truth"):
        if len(require_object(answer, "ground_truth")) != 1 or next(iter(answer)) not in names:
            raise UnusableRecordError("an answer with another tool than those on offer")
        for values in require_object(next(iter(answer.values())), "ground_truth").values():
            require_list(values, "accepted values")
    return truth


def _judge_calls(
    step: Step, *, category: str, truth: list[Answer], functions: Sequence[Mapping[str, Any]]
) -> Outcome:
    fault = calls_fault(step.calls, truth, functions)
    return Outcome({category: (float(not fault), 1.0)}, fault)


def _judge_restraint(step: Step, *, category: str, calls: bool) -> Outcome:
    right = step.plan is not None and bool(step.calls) == calls
    return Outcome({category: (float(right), 1.0)}, "" if right else "no call" if calls else "a call")
