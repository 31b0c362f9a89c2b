"""Running of exam tasks, each in its own workspace with a fixed clock, by a model or a baseline."""

from __future__ import annotations

import tempfile
import time
import zoneinfo
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from agent.checks.calls.call_check import CallCheck
from agent.consent import Allow, Request
from agent.engine import Engine
from agent.errors import UmiError
from agent.evaluation.exam.judging import Outcome, State, judge
from agent.evaluation.exam.reference import unrelated_texts
from agent.evaluation.exam.schema import Exchange, Half, Task, World
from agent.evaluation.fixtures import write_workspace
from agent.events import CallProposed, Finished, Observation
from agent.llama.grammar.grounding import atoms
from agent.loop import Agent
from agent.tools import ToolContext, Workspace, builtin_tools
from agent.tools.lib.dates import fixed_clock
from agent.tools.selection.selection import ToolSelection
from agent.tools.toolbox import Toolbox, select_tools

CHANGED = "2026-03-02T08:15:00"
"""Default modification time of the files of a workspace (local time)."""


class Respondent(Protocol):
    """Answers the turns of one task, in order."""

    def ask(self, text: str) -> Outcome:
        """Answer a turn."""
        ...


OpenRespondent = Callable[[Toolbox], Respondent]
"""Makes the respondent of a task from the task's toolbox."""


@dataclass(frozen=True)
class TurnResult:
    """The result of one exchange: the question, its outcome, its faults, and the time in seconds."""

    ask: str
    outcome: Outcome
    problems: tuple[str, ...]
    seconds: float
    made_up: bool
    """Whether the answer holds a number, or a word with digits, that nothing before it holds."""


@dataclass(frozen=True)
class TaskResult:
    """The result of a task, which is right if all of its turns are."""

    id: str
    category: str
    half: Half
    kind: str
    """`tool`, `no tool` (none is needed) or `refusal` (none fits), of the last exchange; or `dialogue`."""
    turns: tuple[TurnResult, ...]

    @property
    def right(self) -> bool:
        """Whether every turn is right."""
        return not any(turn.problems for turn in self.turns)

    def to_json(self) -> dict[str, Any]:
        """Return the result as a JSON object, without questions and answers if it is of the test half."""
        value: dict[str, Any] = {
            "id": self.id,
            "category": self.category,
            "right": self.right,
            "turns_right": [not turn.problems for turn in self.turns],
            "seconds": [round(turn.seconds, 3) for turn in self.turns],
            "made_up": [turn.made_up for turn in self.turns],
        }
        if self.half == "development":
            value["turns"] = [
                {"ask": turn.ask, "answer": turn.outcome.answer, "problems": list(turn.problems)}
                for turn in self.turns
            ]
        return value


def _permit(request: Request) -> Allow | None:
    return request.allow() if request.kind == "permission" else None


class AgentRespondent:
    """An agent in one conversation, with every call permitted, and nobody to ask about one in doubt."""

    def __init__(
        self,
        engine: Engine,
        toolbox: Toolbox,
        cancelled: Callable[[], bool],
        selection: ToolSelection | None = None,
    ) -> None:
        check = CallCheck(engine.least_margins)
        self._agent = Agent(engine, toolbox, check=check, selection=selection)
        self._conversation = self._agent.begin()
        self._cancelled = cancelled

    def ask(self, text: str) -> Outcome:
        """Run a turn. An error ends the turn and not the run."""
        calls: list[str] = []
        observations: list[str] = []
        try:
            for event in self._agent.run(
                self._conversation, text, approve=_permit, cancelled=self._cancelled
            ):
                match event:
                    case CallProposed(_, _, name, _):
                        calls.append(name)
                    case Observation(_, _, _, _, content):
                        observations.append(content)
                    case Finished(reason, answer):
                        return Outcome(reason, answer, tuple(calls), tuple(observations))
        except UmiError as error:
            return Outcome("error", str(error), tuple(calls), tuple(observations))
        raise AssertionError("a turn ends with Finished")


def kind_of(task: Task) -> str:
    """Return the kind of behaviour that a task is counted under: see `TaskResult.kind`."""
    last = task.exchanges[-1]
    if task.is_dialogue:
        return "dialogue"
    if last.must_call != "none":
        return "tool"
    return "no tool" if "answered" in last.ends else "refusal"


@contextmanager
def prepared(task: Task) -> Iterator[tuple[Toolbox, Callable[[], State]]]:
    """Yield the toolbox of a task over its own workspace and notes, and a function that reads their state."""
    with tempfile.TemporaryDirectory() as folder, fixed_clock(parse_clock(task.world.clock)):
        workspace, notes = Path(folder) / "workspace", Path(folder) / "notes.jsonl"
        write_workspace(_fixture(task.world), workspace, notes)
        for name in task.world.folders:
            (workspace / name).mkdir(parents=True, exist_ok=True)
        tools = select_tools(builtin_tools(), task.tools)
        toolbox = Toolbox(tools, ToolContext(Workspace(workspace), notes))
        yield toolbox, lambda: State.of(workspace, notes)


def run_task(task: Task, open_respondent: OpenRespondent) -> TaskResult:
    """Run all turns of a task, each judged against the state of the workspace before it."""
    turns: list[TurnResult] = []
    with prepared(task) as (toolbox, _):
        unrelated = list(unrelated_texts(task, toolbox))
    with prepared(task) as (toolbox, state):
        respondent = open_respondent(toolbox)
        known: list[str] = []
        before = state()
        for exchange, texts in zip(task.exchanges, unrelated, strict=True):
            started = time.perf_counter()
            outcome = respondent.ask(exchange.ask)
            seconds = time.perf_counter() - started
            after = state()
            known += [exchange.ask, *outcome.observations]
            made_up = _is_made_up(exchange, outcome, known)
            problems = tuple(judge(exchange, outcome, before, after, texts))
            turns.append(TurnResult(exchange.ask, outcome, problems, seconds, made_up))
            known.append(outcome.answer)
            before = after
    return TaskResult(task.id, task.category, task.half, kind_of(task), tuple(turns))


def run_exam(
    tasks: Iterable[Task], open_respondent: OpenRespondent, cancelled: Callable[[], bool] = lambda: False
) -> Iterator[TaskResult]:
    """Yield the result of each of `tasks`; a task that is cancelled midway yields none."""
    for task in tasks:
        result = run_task(task, open_respondent)
        if cancelled():
            return
        yield result


def parse_clock(text: str) -> datetime:
    """Return the moment of `YYYY-MM-DD HH:MM ZONE`."""
    moment, _, zone = text.rpartition(" ")
    return datetime.fromisoformat(moment).replace(tzinfo=zoneinfo.ZoneInfo(zone))


def _fixture(world: World) -> Mapping[str, Any]:
    files = world.all_files()
    return {
        "files": files,
        "changed": {path: world.changed.get(path, CHANGED) for path in files},
        "notes": world.notes,
    }


def _is_made_up(exchange: Exchange, outcome: Outcome, known: Iterable[str]) -> bool:
    """Return whether an answer from tools holds a number that is neither in a question nor in a result."""
    if outcome.reason not in ("answered", "failed") or not exchange.solution:
        return False
    source, answer = atoms(known), atoms((outcome.answer,))
    return bool((answer.numbers | answer.words) - (source.numbers | source.words))
