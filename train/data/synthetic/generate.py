"""Generation of trajectories, in groups that share a tool list and a workspace, by running the real tools."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agent.transcript import CallerTurn, PlannerTurn, Row, Split, SummarizerTurn, Transcript, Turn, UserTurn
from train.data.synthetic.follow_ups import FOLLOW_UPS
from train.data.synthetic.intents import INTENTS
from train.data.synthetic.intents.from_tables import (
    FOREIGN_INTENTS,
    IMPOSSIBLE_INTENTS,
    SMALL_TALK_INTENTS,
    TOPICS_BY_TOOL,
)
from train.data.synthetic.memory import Memory
from train.data.synthetic.refusal import refusal
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.sandbox import Sandbox
from train.data.synthetic.script import Intent, Outcome, Question, Step
from train.data.synthetic.toolset import FOREIGN, Toolset, make_toolset
from train.data.synthetic.world import World, make_world

ALL_INTENTS: dict[str, Intent] = {
    **INTENTS,
    **{intent.name: intent for intent in (*SMALL_TALK_INTENTS, *IMPOSSIBLE_INTENTS, *FOREIGN_INTENTS)},
}
GROUP_SIZE = 20
"""Number of rows that share a tool list and a world."""
RESTRAINED_SHARE = 0.12
"""Share of rows whose every question calls for no tool, or for none on offer."""
UNSERVED_SHARE = 0.1
"""Share of questions of other rows that call for no tool, or for none on offer."""
REFERRING_SHARE = 0.75
"""Share of later questions that refer back, where they can."""
EXCHANGES = (2, 3, 4, 5)
EXCHANGE_WEIGHTS = (46, 27, 17, 10)
"""How often a dialogue has so many exchanges."""


@dataclass
class Dialogue:
    """The turns of a row so far, and what they leave to refer to."""

    turns: list[Turn] = field(default_factory=list)
    memory: Memory = field(default_factory=Memory)
    exchanges: int = 0

    def add(self, turns: Sequence[Turn], outcome: Outcome) -> None:
        """Append an exchange."""
        self.turns.extend(turns)
        self.exchanges += 1
        past = self.memory.past
        if outcome.gave_up:
            if any(isinstance(turn, CallerTurn) for turn in turns):
                self.memory = Memory(past=past)
        elif outcome.memory is not None:
            answer = outcome.answer
            self.memory = replace(outcome.memory, answer=answer, past=(*past, answer))


def run_script(
    intent: Intent, sample: Sampler, world: World, sandbox: Sandbox, tools: Toolset
) -> list[tuple[list[Turn], Outcome]] | None:
    """Return the exchanges of an intent with their outcomes; None if the world does not fit it."""
    exchanges: list[tuple[list[Turn], Outcome]] = []
    turns: list[Turn] = []
    try:
        script = intent.script(sample, world)
        said = next(script)
        while True:
            match said:
                case Question(text):
                    turns = [UserTurn(text)]
                    if not all(tools.has(tool) for tool in intent.needs):
                        return [_exchange(turns, Outcome(refusal(text), gave_up=True))]
                    said = next(script)
                case Step(thought, to_call):
                    calls = tuple(tools.call(call.tool, call.arguments) for call in to_call)
                    seen = [
                        sandbox.run(call, offered.name) for call, offered in zip(to_call, calls, strict=True)
                    ]
                    named = thought.replace("{tool}", calls[0].name)
                    turns.extend((PlannerTurn(named, "caller"), CallerTurn(calls), *seen))
                    said = script.send(seen)
                case Outcome():
                    exchanges.append(_exchange(turns, said))
                    said = next(script)
    except StopIteration as stop:
        return [*exchanges, _exchange(turns, stop.value)]
    except (IndexError, ValueError):
        return None


def _exchange(turns: list[Turn], outcome: Outcome) -> tuple[list[Turn], Outcome]:
    """Return the turns of an exchange with its end, and its outcome."""
    if outcome.gave_up:
        return [*turns, PlannerTurn(outcome.answer, "give up")], outcome
    ending = PlannerTurn(outcome.thought.replace("\n", " "), "summarizer"), SummarizerTurn(outcome.answer)
    return [*turns, *ending], outcome


def draw_restrained(sample: Sampler, tools: Toolset) -> Intent:
    """Return an intent that calls nothing: small talk, or what no tool on offer does."""
    if sample.chance(0.45):
        return sample.rng.choice(SMALL_TALK_INTENTS)
    lacking = [i for i in _requests() if not _serves(tools, i)]
    if lacking and sample.chance(0.3):
        return sample.rng.choice(lacking)
    possible = {topic for tool, topics in TOPICS_BY_TOOL.items() if tools.has(tool) for topic in topics}
    return sample.rng.choice([intent for intent in IMPOSSIBLE_INTENTS if intent.name not in possible])


def draw_intent(sample: Sampler, tools: Toolset) -> Intent:
    """Return an intent, mostly one that the offered tools serve, else one that calls nothing."""
    if sample.chance(UNSERVED_SHARE):
        return draw_restrained(sample, tools)
    served = [i for i in _requests() if _serves(tools, i)]
    if any(tool in FOREIGN for tool in tools.offered):
        # A tool on offer may do the half that is meant to be impossible.
        served = [i for i in served if not i.name.startswith("half_")]
    if not served:
        return draw_restrained(sample, tools)
    # A tool list seldom contains all tools of an intent that needs several: a higher weight compensates.
    return sample.rng.choices(served, [i.weight * max(1, len(i.needs)) for i in served])[0]


def draw_follow_up(sample: Sampler, tools: Toolset, memory: Memory) -> Intent | None:
    """Return a request that refers back to what `memory` holds; None if there is none to refer to."""
    fitting = [
        f for f in FOLLOW_UPS.values() if all(tools.has(tool) for tool in f.needs) and f.applies(memory)
    ]
    if not fitting:
        return None
    return sample.rng.choices(fitting, [f.weight for f in fitting])[0].after(memory)


def _requests() -> list[Intent]:
    return [*INTENTS.values(), *FOREIGN_INTENTS]


def _serves(tools: Toolset, intent: Intent) -> bool:
    return all(tools.has(tool) for tool in intent.needs)


def generate_rows(
    seed: int, split: Split, count: int, *, plain: float = 0.55, max_tools: int = 30, follow_up: float = 0.5
) -> Iterator[Row]:
    """Yield `count` schema-1 rows of a split, in groups that share their tool list.

    `train` and `valid` draw from the same phrasings and values, `test` from those held out from both. `plain`
    is the share of tool lists with the built-in names, `max_tools` the longest other list. With probability
    `follow_up` (half of it in the test split) a row is a dialogue of two to five questions, most of which
    refer back. The `meta` of a test row with one question holds the world and the texts that a right answer
    contains.
    """
    generated = 0
    group = 0
    with tempfile.TemporaryDirectory() as folder:
        while generated < count:
            rng = random.Random(f"{seed}/{split}/{group}")
            sample = Sampler(rng, split)
            world = make_world(sample)
            tools = make_toolset(sample, plain=plain, max_tools=max_tools)
            sandbox = Sandbox(Path(folder), world)
            for _ in range(GROUP_SIZE):
                id_ = f"synthetic-{split}-{seed}-{generated}"
                row = _row(sample, world, sandbox, tools, id_, split, follow_up)
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
    restrained = sample.chance(RESTRAINED_SHARE)
    wanted = 1
    if sample.chance(follow_up / 2 if split == "test" else follow_up):
        wanted = sample.rng.choices(EXCHANGES, EXCHANGE_WEIGHTS)[0]
    sandbox.reset()
    dialogue = Dialogue()
    intent, outcome = None, Outcome("")
    while dialogue.exchanges < wanted:
        intent = draw_restrained(sample, tools) if restrained else draw_intent(sample, tools)
        exchanges = None
        if dialogue.exchanges and not restrained and sample.chance(REFERRING_SHARE):
            exchanges = _refer(sample, world, sandbox, tools, dialogue.memory)
        if exchanges is None:
            exchanges = run_script(intent, sample, world, sandbox, tools)
        if exchanges is None:
            return None
        for turns, outcome in exchanges:
            dialogue.add(turns, outcome)
    assert intent
    meta: dict[str, Any] = {}
    if split == "test" and dialogue.exchanges > 1:
        meta = {"intent": "dialogue", "simulated": True}
    elif split == "test":
        meta = {
            "intent": intent.name,
            "world": world.to_json(),
            "expects": list(outcome.expects),
            "reason": "gave_up" if outcome.gave_up else "answered",
            "simulated": bool(set(intent.needs) & set(FOREIGN)) or not tools.is_builtin,
        }
    return Row(id_, "synthetic", split, Transcript(tools.specs, tuple(dialogue.turns)), meta)


def _refer(
    sample: Sampler, world: World, sandbox: Sandbox, tools: Toolset, memory: Memory
) -> list[tuple[list[Turn], Outcome]] | None:
    """Return an exchange that refers back; None if several tries found nothing that fits."""
    for _ in range(6):
        intent = draw_follow_up(sample, tools, memory)
        if intent is None:
            return None
        if exchanges := run_script(intent, sample, world, sandbox, tools):
            return exchanges
    return None
