"""Generation of trajectories, in groups that share a tool list and a workspace, by running the real tools."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.errors import ToolError
from agent.evaluation.fixtures import write_workspace
from agent.tools import ToolContext, Workspace, builtin_tools
from agent.transcript import (
    CallerTurn,
    PlannerTurn,
    Row,
    Split,
    SummarizerTurn,
    ToolTurn,
    Transcript,
    Turn,
    UserTurn,
)
from train.data.synthetic.intents import INTENTS
from train.data.synthetic.intents.from_tables import (
    FOREIGN_INTENTS,
    IMPOSSIBLE_INTENTS,
    SMALL_TALK_INTENTS,
    TOPICS_BY_TOOL,
    no_tool_answer,
)
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Intent, Outcome, Question, Step, ToolCall
from train.data.synthetic.toolset import FOREIGN, Toolset, make_toolset
from train.data.synthetic.world import World, make_world

TOOLS = {tool.name: tool for tool in builtin_tools()}
ALL_INTENTS: dict[str, Intent] = {
    **INTENTS,
    **{intent.name: intent for intent in (*SMALL_TALK_INTENTS, *IMPOSSIBLE_INTENTS, *FOREIGN_INTENTS)},
}
GROUP_SIZE = 20
"""Number of rows that share a tool list and a world."""


class Sandbox:
    """A temporary workspace in which the calls of a group are run."""

    def __init__(self, root: Path, world: World) -> None:
        self.root, self.world = root, world
        self.notes = root / "notes.jsonl"
        self.reset()

    def reset(self) -> None:
        """Restore the workspace and the notes to their state before any call."""
        workspace = self.root / "workspace"
        if workspace.exists():
            for path in sorted(workspace.rglob("*"), reverse=True):
                path.unlink() if path.is_file() else path.rmdir()
        workspace.mkdir(exist_ok=True)
        write_workspace(self.world.to_json(), workspace, self.notes)
        self.context = ToolContext(Workspace(workspace), self.notes)

    def run(self, call: ToolCall, name: str) -> ToolTurn:
        """Run a call and return its observation, under the offered name of the tool."""
        if call.observation is not None:
            return ToolTurn(name, call.observation, call.error)
        try:
            return ToolTurn(name, TOOLS[call.tool].run(self.context, call.arguments))
        except ToolError as error:
            return ToolTurn(name, str(error), True)


def run_script(
    intent: Intent, sample: Sampler, world: World, sandbox: Sandbox, tools: Toolset
) -> tuple[list[Turn], Outcome] | None:
    """Return the turns of one exchange and its outcome; None if the drawn values do not fit the world."""
    script = intent.script(sample, world)
    question = next(script)
    assert isinstance(question, Question)
    turns: list[Turn] = [UserTurn(question.text)]
    if not all(tools.has(tool) for tool in intent.needs):
        outcome = Outcome(no_tool_answer(intent.topic), gave_up=True)
    else:
        try:
            step = next(script)
            while True:
                assert isinstance(step, Step)
                calls = tuple(tools.call(call.tool, call.arguments) for call in step.calls)
                observations = [
                    sandbox.run(call, offered.name) for call, offered in zip(step.calls, calls, strict=True)
                ]
                turns.append(PlannerTurn(step.thought.replace("{tool}", calls[0].name), "caller"))
                turns.append(CallerTurn(calls))
                turns.extend(observations)
                step = script.send(observations)
        except StopIteration as stop:
            outcome = stop.value
        except (IndexError, ValueError):
            return None
    if outcome.gave_up:
        turns.append(PlannerTurn(outcome.answer, "give up"))
    else:
        turns.append(PlannerTurn(outcome.thought, "summarizer"))
        turns.append(SummarizerTurn(outcome.answer))
    return turns, outcome


def draw_intent(sample: Sampler, tools: Toolset) -> Intent:
    """Return an intent, mostly one that the offered tools serve, else small talk or one that none serves."""
    roll = sample.rng.random()
    if roll < 0.09:
        return sample.rng.choice(SMALL_TALK_INTENTS)
    possible = {topic for tool, topics in TOPICS_BY_TOOL.items() if tools.has(tool) for topic in topics}
    unserved = [intent for intent in IMPOSSIBLE_INTENTS if intent.name not in possible]
    if roll < 0.18:
        return sample.rng.choice(unserved)
    served = [i for i in (*INTENTS.values(), *FOREIGN_INTENTS) if all(tools.has(tool) for tool in i.needs)]
    if roll < 0.24 or not served:
        served = [
            i for i in (*INTENTS.values(), *FOREIGN_INTENTS) if not all(tools.has(tool) for tool in i.needs)
        ]
    if not served:
        return sample.rng.choice(unserved)
    # A tool list seldom contains all tools of an intent that needs several: a higher weight compensates.
    return sample.rng.choices(served, [i.weight * max(1, len(i.needs)) for i in served])[0]


def generate_rows(
    seed: int, split: Split, count: int, *, plain: float = 0.55, max_tools: int = 16, follow_up: float = 0.2
) -> Iterator[Row]:
    """Yield `count` schema-1 rows of a split, in groups that share their tool list.

    `train` and `valid` draw from the same phrasings and values, `test` from those held out from both. `plain`
    is the share of tool lists with the built-in names, `max_tools` the longest other list. With probability
    `follow_up` a row continues with a second, independent question. In the test split each row is one
    question, and its `meta` holds the world and the texts that a right answer contains.
    """
    generated = 0
    group = 0
    with tempfile.TemporaryDirectory() as folder:
        while generated < count:
            rng = random.Random(f"{seed}/{split}/{group}")
            sample = Sampler(rng, split)
            world = make_world(sample)
            if not world.files:
                group += 1
                continue
            tools = make_toolset(sample, plain=plain, max_tools=max_tools)
            sandbox = Sandbox(Path(folder), world)
            for _ in range(GROUP_SIZE):
                row = _row(
                    sample, world, sandbox, tools, f"synthetic-{split}-{seed}-{generated}", split, follow_up
                )
                if row is None:
                    continue
                yield row
                generated += 1
                if generated == count:
                    break
            group += 1


def _row(
    sample: Sampler, world: World, sandbox: Sandbox, tools: Toolset, id_: str, split: Split, follow_up: float
) -> Row | None:
    turns: list[Turn] = []
    meta: dict[str, Any] = {}
    exchanges = (
        1
        + (split != "test" and sample.chance(follow_up))
        + (split != "test" and sample.chance(follow_up / 3))
    )
    sandbox.reset()
    for _ in range(exchanges):
        intent = draw_intent(sample, tools)
        exchange = run_script(intent, sample, world, sandbox, tools)
        if exchange is None:
            return None
        turns.extend(exchange[0])
        outcome = exchange[1]
        if split == "test":
            meta = {
                "intent": intent.name,
                "world": world.to_json(),
                "expects": list(outcome.expects),
                "reason": "gave_up" if outcome.gave_up else "answered",
                "simulated": bool(set(intent.needs) & set(FOREIGN)) or not tools.is_builtin,
            }
    return Row(id_, "synthetic", split, Transcript(tools.specs, tuple(turns)), meta)
