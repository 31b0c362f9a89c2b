"""The evaluation of ToolAlpaca (arXiv 2306.05301), judged by exact names and arguments.

The published evaluation lets a large language model judge the whole conversation with a simulated API; that
needs a network and an account. Here the calls of the first step are compared with the golden ones, up to the
first that needs a result: the tools alone, and the tools with all arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from agent.evaluation.benchmarks.baselines import call_first_unused_tool
from agent.evaluation.benchmarks.benchmark import Benchmark, Case, Outcome
from agent.evaluation.benchmarks.reading import read_usable
from agent.evaluation.benchmarks.step import Step
from agent.evaluation.metrics import tools_match
from agent.transcript import CallerTurn, Transcript
from agent.transcript.formats.coercion import coerce_turn
from agent.transcript.formats.conversion import Conversation, UnusableRecordError
from agent.transcript.formats.reading import find_files
from agent.transcript.formats.toolalpaca import golden_conversations

COUNTS = ("one call", "several calls")
ALL = "all"
LABELS = ("tools", "tools and arguments")


def read_toolalpaca(paths: Sequence[Path], limit: int) -> Benchmark:
    """Return the first `limit` questions of each file of `paths`. Raise InputError where there are none."""
    cases, left_out = read_usable(paths, _converter, limit=limit, what="questions of ToolAlpaca's evaluation")
    names = dict.fromkeys(map(_name, find_files(paths)))
    return Benchmark(
        "toolalpaca",
        cases,
        [f"{group}: {label}" for group in (*names, *COUNTS, ALL) for label in LABELS],
        left_out,
        frozenset({"caller"}),
        {"first tool": call_first_unused_tool},
        "exact names and arguments of the first step's calls; the published judge is a large language model",
    )


def _name(path: Path) -> str:
    return path.name.partition(".")[0]


def _converter(path: Path) -> Callable[[Mapping[str, Any]], Iterator[Case | UnusableRecordError]]:
    return partial(_cases, name=_name(path))


def _cases(value: Mapping[str, Any], *, name: str) -> Iterator[Case | UnusableRecordError]:
    if "Golden_Answers" not in value:
        raise UnusableRecordError("no golden answers")
    for conversation in golden_conversations(value):
        yield conversation if isinstance(conversation, UnusableRecordError) else _case(conversation, name)


def _case(conversation: Conversation, name: str) -> Case:
    tools = {tool.name: tool for tool in conversation.tools}
    *question, _, golden = conversation.turns
    turn = coerce_turn(golden, tools)
    assert isinstance(turn, CallerTurn)
    own_id = f"{name}/{conversation.own_id}"
    # The planner's turn before the golden calls is what the model has to find.
    history = Transcript(conversation.tools, tuple(question), conversation.instruction)
    return Case(own_id, history, partial(_judge, name=name, turn=turn), own_id)


def _judge(step: Step, *, name: str, turn: CallerTurn) -> Outcome:
    tools, right = tools_match(step.calls, turn), turn.matched_by(step.calls)
    points = {
        f"{group}: {label}": (float(scored), 1.0)
        for group in (name, COUNTS[len(turn.calls) > 1], ALL)
        for label, scored in zip(LABELS, (tools, right), strict=True)
    }
    fault = "" if right else "no call" if not step.calls else "other arguments" if tools else "other tools"
    return Outcome(points, fault)
