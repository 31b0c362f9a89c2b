"""Trajectories in groups that share a tool list and a world, run on the real tools."""

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
from train.data.synthetic import days, documents, numbers
from train.data.synthetic.draw import Draw
from train.data.synthetic.plan import INTENTS, Ask, End, Intent, Step, Use
from train.data.synthetic.talk import FOREIGNS, IMPOSSIBLES, SERVES, TALKS, cannot
from train.data.synthetic.toolset import FOREIGN, Toolset, make_toolset
from train.data.synthetic.world import World, make_world

SCRIPTED = (numbers, days, documents)  # imported for the intents they register
TOOLS = {tool.name: tool for tool in builtin_tools()}
ALL: dict[str, Intent] = {**INTENTS, **{intent.name: intent for intent in (*TALKS, *IMPOSSIBLES, *FOREIGNS)}}
GROUP = 20


class Bench:
    """A scratch workspace in which a group's calls run for real."""

    def __init__(self, root: Path, world: World) -> None:
        self.root, self.world = root, world
        self.notes = root / "notes.jsonl"
        self.reset()

    def reset(self) -> None:
        """Lay the world out afresh, as it was before any call."""
        workspace = self.root / "workspace"
        if workspace.exists():
            for path in sorted(workspace.rglob("*"), reverse=True):
                path.unlink() if path.is_file() else path.rmdir()
        workspace.mkdir(exist_ok=True)
        write_workspace(self.world.to_json(), workspace, self.notes)
        self.context = ToolContext(Workspace(workspace), self.notes)

    def run(self, use: Use, name: str) -> ToolTurn:
        """The observation of a call, under the name the tool has on offer."""
        if use.seen is not None:
            return ToolTurn(name, use.seen, use.error)
        try:
            return ToolTurn(name, TOOLS[use.tool].run(self.context, use.arguments))
        except ToolError as error:
            return ToolTurn(name, str(error), True)


def play(
    intent: Intent, d: Draw, world: World, bench: Bench, tools: Toolset
) -> tuple[list[Turn], End] | None:
    """One exchange: its turns and how it ended. None where a draw led nowhere (an ambiguous world)."""
    script = intent.script(d, world)
    ask = next(script)
    assert isinstance(ask, Ask)
    turns: list[Turn] = [UserTurn(ask.text)]
    if not all(tools.has(tool) for tool in intent.needs):
        end = End(cannot(intent.topic), gave_up=True)
    else:
        try:
            move = next(script)
            while True:
                assert isinstance(move, Step)
                calls = tuple(tools.call(use.tool, use.arguments) for use in move.calls)
                observed = [bench.run(use, call.name) for use, call in zip(move.calls, calls, strict=True)]
                turns.append(PlannerTurn(move.thought.replace("{tool}", calls[0].name), "caller"))
                turns.append(CallerTurn(calls))
                turns.extend(observed)
                move = script.send(observed)
        except StopIteration as stop:
            end = stop.value
        except (IndexError, ValueError):
            return None
    if end.gave_up:
        turns.append(PlannerTurn(end.answer, "give up"))
    else:
        turns.append(PlannerTurn(end.thought, "summarizer"))
        turns.append(SummarizerTurn(end.answer))
    return turns, end


def draw_intent(d: Draw, tools: Toolset) -> Intent:
    """An intent: mostly one the tools on offer serve, sometimes small talk or what nothing here can do."""
    roll = d.rng.random()
    if roll < 0.09:
        return d.rng.choice(TALKS)
    possible = {topic for tool, topics in SERVES.items() if tools.has(tool) for topic in topics}
    beyond = [intent for intent in IMPOSSIBLES if intent.name not in possible]
    if roll < 0.18:
        return d.rng.choice(beyond)
    served = [i for i in (*INTENTS.values(), *FOREIGNS) if all(tools.has(tool) for tool in i.needs)]
    if roll < 0.24 or not served:
        served = [i for i in (*INTENTS.values(), *FOREIGNS) if not all(tools.has(tool) for tool in i.needs)]
    if not served:
        return d.rng.choice(beyond)
    # A list seldom holds all that a request of several tools needs; its weight makes up for that.
    return d.rng.choices(served, [i.weight * max(1, len(i.needs)) for i in served])[0]


def rows(
    seed: int, split: Split, count: int, *, plain: float = 0.55, most: int = 16, followed: float = 0.2
) -> Iterator[Row]:
    """`count` schema-1 rows of a split, in groups that share their tool list.

    `valid` draws from what `train` draws from; `test` from the phrasings and values held out from both. With
    probability `followed` a row goes on with a second, independent question. In the test split each row is
    one question, and its `meta` holds the world and what a right answer must contain.
    """
    made = 0
    group = 0
    with tempfile.TemporaryDirectory() as folder:
        while made < count:
            rng = random.Random(f"{seed}/{split}/{group}")
            d = Draw(rng, split)
            world = make_world(d)
            if not world.files:
                group += 1
                continue
            tools = make_toolset(d, plain=plain, most=most)
            bench = Bench(Path(folder), world)
            for _ in range(GROUP):
                row = _row(d, world, bench, tools, f"synthetic-{split}-{seed}-{made}", split, followed)
                if row is None:
                    continue
                yield row
                made += 1
                if made == count:
                    break
            group += 1


def _row(
    d: Draw, world: World, bench: Bench, tools: Toolset, id_: str, split: Split, followed: float
) -> Row | None:
    turns: list[Turn] = []
    meta: dict[str, Any] = {}
    exchanges = 1 + (split != "test" and d.chance(followed)) + (split != "test" and d.chance(followed / 3))
    bench.reset()
    for _ in range(exchanges):
        intent = draw_intent(d, tools)
        played = play(intent, d, world, bench, tools)
        if played is None:
            return None
        turns.extend(played[0])
        end = played[1]
        if split == "test":
            meta = {
                "intent": intent.name,
                "world": world.to_json(),
                "expects": list(end.expects),
                "reason": "gave_up" if end.gave_up else "answered",
                "simulated": bool(set(intent.needs) & set(FOREIGN)) or not tools.real,
            }
    return Row(id_, "synthetic", split, Transcript(tools.specs, tuple(turns)), meta)
