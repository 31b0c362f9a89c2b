"""Tasks of an exam and their runs on scripted models."""

from __future__ import annotations

from fakes import call, plan

from agent.engine import ScriptedEngine
from agent.evaluation.exam.running import AgentRespondent, TaskResult, run_task
from agent.evaluation.exam.schema import Exchange, Half, Task, World

DESK = World(
    files={"list.txt": "apples\nflour\n", "draft.md": "dark\n"},
    notes=("Greta takes size 38",),
    clock="2026-05-18 09:40 Europe/Berlin",
)


def task(
    *exchanges: Exchange,
    world: World = DESK,
    name: str = "t",
    category: str = "c",
    half: Half = "development",
) -> Task:
    return Task(name, category, half, world, exchanges)


def run(case: Task, *script: str) -> TaskResult:
    """Run a task on the texts of a script."""
    engine = ScriptedEngine(script)
    return run_task(case, lambda toolbox: AgentRespondent(engine, toolbox, lambda: False))


def answered(answer: str, *calls: str) -> list[str]:
    """The generations of a turn with these calls, one a step."""
    steps = [text for one in calls for text in (plan("I call a tool.", "caller"), one)]
    return [*steps, plan("I know it.", "summarizer"), answer]


PRODUCT = Exchange("17*24?", solution=({"calculate": {"expression": "17*24"}},), says=("408",))
MULTIPLY = call("calculate", expression="17*24")


DIALOGUE = task(
    PRODUCT,
    Exchange("half of it", solution=({"calculate": {"expression": "408/2"}},), says=("204",)),
    name="d",
    category="onward",
)
