"""Evaluation of a bundle on a suite: single steps on reference histories, and whole questions end to end.

A suite is a file of schema-1 rows. The `meta` of a row may hold `intent`, `world` (the files, their times of
change and the notes of the workspace), `reason` (how the turn must end) and `expects`: texts that a right
answer contains. An expected text `re:PATTERN` stands for all matches of the pattern in the observations of
the run, for answers that are not known in advance (the clock, this computer).

Every figure has a baseline without a model: always handing over to the caller, calling the first tool of the
list, leaving the arguments empty, giving up on every question.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agent.consent import Request
from agent.engine import Engine
from agent.errors import ContextFullError, UmiError
from agent.evaluation.fixtures import write_workspace
from agent.evaluation.generation import last_event
from agent.evaluation.metrics import first_tool_baseline, handover_matches, no_arguments_baseline, tools_match
from agent.events import Finished, Observation, event_to_json
from agent.llama.grammar.grounding import atoms
from agent.loop import Agent
from agent.tools import ToolContext, Workspace, builtin_tools
from agent.tools.toolbox import Toolbox, select_tools
from agent.transcript import (
    CallerTurn,
    PlannerTurn,
    Role,
    Row,
    ToolTurn,
    Transcript,
    UserTurn,
    parse_calls,
)

_BUILTIN = {tool.name for tool in builtin_tools()}

RunQuestion = Callable[[Row, Path, Path], Iterator[Mapping[str, Any]]]
"""(row, workspace, note store) -> the events of the turn as JSON objects, the last one `finished`."""


@dataclass
class Accuracy:
    """Number of right cases, of all cases, and of cases that the baseline gets right."""

    right: int = 0
    of: int = 0
    baseline: int = 0

    def add(self, right: bool, baseline: bool) -> None:
        """Count one case."""
        self.right += right
        self.of += 1
        self.baseline += baseline


@dataclass
class ToolScores:
    """The figures of one tool, or of all rows."""

    plan: Accuracy = field(default_factory=Accuracy)
    """Planner turns that hand over to the same role as the reference."""
    name: Accuracy = field(default_factory=Accuracy)
    """Caller turns that name the same tools as the reference."""
    arguments: Accuracy = field(default_factory=Accuracy)
    """Caller turns with the right tools and arguments."""
    question: Accuracy = field(default_factory=Accuracy)
    """Questions that end for the right reason, with an answer that contains all expected texts."""
    made_up: int = 0
    """Answers with a number or word of digits that neither the question nor an observation contains."""


@dataclass(frozen=True)
class Failure:
    """A question without a right answer."""

    id: str
    question: str
    answer: str
    expected: tuple[str, ...]


@dataclass
class Report:
    """Figures by tool, over all rows, and the questions that failed."""

    tools: dict[str, ToolScores] = field(default_factory=dict)
    total: ToolScores = field(default_factory=ToolScores)
    failures: list[Failure] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return asdict(self)


def category(row: Row) -> str:
    """Return the tool that a row is counted under: the first one that its reference calls."""
    for turn in row.transcript.turns:
        if isinstance(turn, CallerTurn):
            name = turn.calls[0].name
            return name if name in _BUILTIN else "(a tool renamed or of another program)"
    gives_up = any(isinstance(t, PlannerTurn) and t.next == "give up" for t in row.transcript.turns)
    return "(no tool can)" if gives_up else "(small talk)"


def evaluate(
    rows: Iterable[Row], engine: Engine, run_question: RunQuestion, on_row: Callable[[int, Report], None]
) -> Report:
    """Score every step of every row on the reference history, and run the questions that have a workspace.

    `on_row` is called after each row with the number of rows done and the report so far.
    """
    report = Report()
    for number, row in enumerate(rows, 1):
        figures = (report.total, report.tools.setdefault(category(row), ToolScores()))
        _score_steps(row, engine, figures)
        if "world" in row.meta and not row.meta.get("simulated"):
            _score_question(row, run_question, figures, report)
        on_row(number, report)
    return report


def _generate(engine: Engine, role: Role, transcript: Transcript) -> str:
    """Return the text that `role` generates; empty, which is always wrong, if the history does not fit."""
    try:
        return last_event(engine.generate(role, transcript, cancelled=lambda: False)).text
    except ContextFullError:
        return ""


def _score_steps(row: Row, engine: Engine, figures: Iterable[ToolScores]) -> None:
    turns = row.transcript.turns
    for index, turn in enumerate(turns):
        history = Transcript(row.transcript.tools, turns[:index], row.transcript.instruction)
        if isinstance(turn, PlannerTurn):
            right = handover_matches(_generate(engine, "planner", history), turn)
            for scores in figures:
                scores.plan.add(right, turn.next == "caller")
        elif isinstance(turn, CallerTurn):
            calls = parse_calls(_generate(engine, "caller", history)) or ()
            tools_right, right = tools_match(calls, turn), turn.matched_by(calls)
            first = tools_match(first_tool_baseline(row.transcript.tools), turn)
            no_arguments = turn.matched_by(no_arguments_baseline(turn))
            for scores in figures:
                scores.name.add(tools_right, first)
                scores.arguments.add(right, no_arguments)


def _score_question(
    row: Row, run_question: RunQuestion, figures: Iterable[ToolScores], report: Report
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace, notes = Path(folder) / "workspace", Path(folder) / "notes.jsonl"
        write_workspace(row.meta["world"], workspace, notes)
        events = list(run_question(row, workspace, notes))
    observations = [event["content"] for event in events if event["event"] == "observation"]
    finished = events[-1]
    question = next(turn.content for turn in row.transcript.turns if isinstance(turn, UserTurn))
    answer = finished["answer"]
    right = finished["reason"] == _ending(row) and (
        row.meta["reason"] == "gave_up"
        or all(_contains(answer, text, observations) for text in row.meta["expects"])
    )
    source, output = atoms((question, *observations)), atoms((answer,))
    invented = (output.numbers | output.words) - (source.numbers | source.words)
    made_up = finished["reason"] in ("answered", "failed") and bool(invented)
    for scores in figures:
        scores.question.add(right, row.meta["reason"] == "gave_up")
        scores.made_up += made_up
    if not right:
        report.failures.append(Failure(row.id, question, answer, tuple(row.meta["expects"])))


def _ending(row: Row) -> str:
    """Return the `reason` with which a row's turn must end; `failed` if its last observation is an error."""
    results = [turn for turn in row.transcript.turns if isinstance(turn, ToolTurn)]
    return "failed" if results and results[-1].error else row.meta["reason"]


def _contains(answer: str, expected: str, observations: Iterable[str]) -> bool:
    """Return whether `answer` contains `expected`, not as a part of a longer number or word."""
    if expected.startswith("re:"):
        pattern = expected.removeprefix("re:")
        matches = {match for text in observations for match in re.findall(pattern, text)}
        return bool(matches) and all(_contains(answer, match, ()) for match in matches)
    pattern = re.escape(expected.strip())
    return re.search(rf"(?<![\w.,-]){pattern}(?![\w-]|[.,]\d)", answer) is not None


def run_in_process(engine: Engine) -> RunQuestion:
    """Return a function that runs questions by `Agent.run` in this process, with every call approved."""

    def run_question(row: Row, workspace: Path, notes: Path) -> Iterator[Mapping[str, Any]]:
        tools = select_tools(builtin_tools(), (tool.name for tool in row.transcript.tools))
        agent = Agent(engine, Toolbox(tools, ToolContext(Workspace(workspace), notes)))
        question = next(turn.content for turn in row.transcript.turns if isinstance(turn, UserTurn))
        try:
            for event in agent.run(agent.begin(), question, approve=Request.allow):
                if isinstance(event, Observation | Finished):
                    yield event_to_json(event)
        except UmiError as error:
            yield event_to_json(Finished("error", str(error)))

    return run_question
