"""How well models do on held-out questions: step by step on given histories, and whole questions for real.

A suite is a file of schema-1 rows. A row's `meta` may hold `intent`, the `world` to lay out (files, when they
changed, notes), `reason` (how the turn must end) and `expects`: texts that must all stand in a right answer.
`re:PATTERN` there means whatever of that pattern the observations of the run contain, for answers nobody can
know beforehand (the clock, this computer).

Beside each figure stands what needs no model: always handing over to the caller, calling the first tool of
the list, leaving the arguments empty, giving up on every question.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agent.engine import Engine, Generated
from agent.errors import ContextFull, UmiError
from agent.evaluation.fixtures import lay_out
from agent.evaluation.metrics import first_tool, same_plan, same_tools, without_arguments
from agent.events import Finished, Observation, event_to_json
from agent.llama.grounding import atoms
from agent.loop import Agent
from agent.tools import ToolContext, Workspace, builtin_tools
from agent.tools.toolbox import Toolbox, select_tools
from agent.transcript import (
    CallerTurn,
    PlannerTurn,
    Role,
    Row,
    Transcript,
    UserTurn,
    parse_calls,
)

_BUILTIN = {tool.name for tool in builtin_tools()}

Asked = Callable[[Row, Path, Path], Iterator[Mapping[str, Any]]]
"""(row, workspace, notes file) -> the events of the turn as JSON objects, the last one `finished`."""


@dataclass
class Score:
    """Counts of what was right, of how many, and of how many without a model."""

    right: int = 0
    of: int = 0
    baseline: int = 0

    def add(self, right: bool, baseline: bool) -> None:
        """Count one case."""
        self.right += right
        self.of += 1
        self.baseline += baseline


@dataclass
class Tally:
    """The figures of one tool (or of all)."""

    plan: Score = field(default_factory=Score)
    """Planner turns that hand over to the reference's role."""
    name: Score = field(default_factory=Score)
    """Caller turns that name the reference's tools."""
    arguments: Score = field(default_factory=Score)
    """Caller turns that are right whole, every argument among them."""
    question: Score = field(default_factory=Score)
    """Whole questions that end as they must, with an answer that holds all it must."""
    made_up: int = 0
    """Answers with a number that neither the question nor an observation holds."""


@dataclass(frozen=True)
class Failure:
    """A question that did not end in the right answer."""

    id: str
    question: str
    answer: str
    expected: tuple[str, ...]


@dataclass
class Report:
    """Figures by tool, in all, and the questions that failed."""

    tools: dict[str, Tally] = field(default_factory=dict)
    total: Tally = field(default_factory=Tally)
    failures: list[Failure] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON object."""
        return asdict(self)


def kind_of(row: Row) -> str:
    """The tool a row is counted under: the first one its reference calls."""
    for turn in row.transcript.turns:
        if isinstance(turn, CallerTurn):
            name = turn.calls[0].name
            return name if name in _BUILTIN else "(a tool renamed or of another program)"
    gives_up = any(isinstance(t, PlannerTurn) and t.next == "give up" for t in row.transcript.turns)
    return "(no tool can)" if gives_up else "(small talk)"


def evaluate(
    rows: Iterable[Row], engine: Engine, ask: Asked, on_row: Callable[[int, Report], None]
) -> Report:
    """Score every step of every row on the reference's history, and ask the questions that can be asked.

    `on_row` is told the number of rows done and the report so far.
    """
    report = Report()
    for number, row in enumerate(rows, 1):
        tallies = (report.total, report.tools.setdefault(kind_of(row), Tally()))
        _score_steps(row, engine, tallies)
        if "world" in row.meta and not row.meta.get("simulated"):
            _score_question(row, ask, tallies, report)
        on_row(number, report)
    return report


def _write(engine: Engine, role: Role, transcript: Transcript) -> str:
    """What `role` writes; nothing, which is always wrong, where the history does not fit its context."""
    try:
        for piece in engine.generate(role, transcript, cancelled=lambda: False):
            if isinstance(piece, Generated):
                return piece.text
    except ContextFull:
        return ""
    raise AssertionError("an engine's last piece is Generated")


def _score_steps(row: Row, engine: Engine, tallies: Iterable[Tally]) -> None:
    turns = row.transcript.turns
    for at, turn in enumerate(turns):
        before = Transcript(row.transcript.tools, turns[:at], row.transcript.instruction)
        if isinstance(turn, PlannerTurn):
            right = same_plan(_write(engine, "planner", before), turn)
            for tally in tallies:
                tally.plan.add(right, turn.next == "caller")
        elif isinstance(turn, CallerTurn):
            calls = parse_calls(_write(engine, "caller", before)) or ()
            named, right = same_tools(calls, turn), turn.matched_by(calls)
            first = same_tools(first_tool(row.transcript.tools), turn)
            bare = turn.matched_by(without_arguments(turn))
            for tally in tallies:
                tally.name.add(named, first)
                tally.arguments.add(right, bare)


def _score_question(row: Row, ask: Asked, tallies: Iterable[Tally], report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace, notes = Path(folder) / "workspace", Path(folder) / "notes.jsonl"
        lay_out(row.meta["world"], workspace, notes)
        events = list(ask(row, workspace, notes))
    seen = [event["content"] for event in events if event["event"] == "observation"]
    finished = events[-1]
    question = next(turn.content for turn in row.transcript.turns if isinstance(turn, UserTurn))
    answer = finished["answer"]
    right = finished["reason"] == row.meta["reason"] and (
        finished["reason"] == "gave_up" or all(_holds(answer, want, seen) for want in row.meta["expects"])
    )
    given, said = atoms((question, *seen)), atoms((answer,))
    invented = (said.numbers | said.words) - (given.numbers | given.words)
    made_up = finished["reason"] == "answered" and bool(invented)
    for tally in tallies:
        tally.question.add(right, row.meta["reason"] == "gave_up")
        tally.made_up += made_up
    if not right:
        report.failures.append(Failure(row.id, question, answer, tuple(row.meta["expects"])))


def _holds(answer: str, want: str, seen: Iterable[str]) -> bool:
    """Whether `want` stands in the answer, not as a part of a longer number or word."""
    if want.startswith("re:"):
        found = {match for text in seen for match in re.findall(want.removeprefix("re:"), text)}
        return bool(found) and all(_holds(answer, text, ()) for text in found)
    pattern = re.escape(want.strip())
    return re.search(rf"(?<![\w.,-]){pattern}(?![\w-]|[.,]\d)", answer) is not None


def ask_in_process(engine: Engine) -> Asked:
    """Ask through `Agent.run` in this process, with every call approved."""

    def ask(row: Row, workspace: Path, notes: Path) -> Iterator[Mapping[str, Any]]:
        tools = select_tools(builtin_tools(), (tool.name for tool in row.transcript.tools))
        agent = Agent(engine, Toolbox(tools, ToolContext(Workspace(workspace), notes)))
        question = next(turn.content for turn in row.transcript.turns if isinstance(turn, UserTurn))
        try:
            for event in agent.run(agent.begin(), question, approve=lambda call, tool: True):
                if isinstance(event, Observation | Finished):
                    yield event_to_json(event)
        except UmiError as error:
            yield event_to_json(Finished("error", str(error)))

    return ask
