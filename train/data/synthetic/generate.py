"""Generation of trajectories, in groups that share a tool list and a workspace, by running the real tools."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agent.transcript import CallerTurn, PlannerTurn, Row, Split, SummarizerTurn, Transcript, Turn, UserTurn
from train.data.foreign.collection import Collection
from train.data.foreign.requests import Foreign
from train.data.synthetic.follow_ups import FOLLOW_UPS
from train.data.synthetic.intents import INTENTS
from train.data.synthetic.intents.from_tables import (
    FOREIGN_INTENTS,
    IMPOSSIBLE_INTENTS,
    SMALL_TALK_INTENTS,
    TOPICS_BY_TOOL,
)
from train.data.synthetic.intents.knowledge import KNOWLEDGE
from train.data.synthetic.memory import Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Intent, Outcome, Question, Step
from train.data.synthetic.toolset import BUILTIN, FOREIGN, Toolset, make_foreign_toolset, make_toolset
from train.data.synthetic.wording.refusal import refusal
from train.data.synthetic.worlds.sandbox import Sandbox
from train.data.synthetic.worlds.world import World, make_world

ALL_INTENTS: dict[str, Intent] = {
    **INTENTS,
    **{
        intent.name: intent
        for intent in (*SMALL_TALK_INTENTS, KNOWLEDGE, *IMPOSSIBLE_INTENTS, *FOREIGN_INTENTS)
    },
}
Exchanges = list[tuple[list[Turn], Outcome]]
"""The turns of each exchange and how it ended."""
GROUP_SIZE = 20
"""Number of rows that share a tool list and a world."""
TRIES = 4
"""Number of times that a row is tried, so that a world which fits few requests still gets its rows."""
OPENING_ONLY = frozenset(
    (
        *("missing_all", "missing_until", "missing_value", "missing_units", "missing_file", "missing_city"),
        *("missing_base", "missing_numbers", "missing_dates"),
    )
)
"""Intents whose question would refer back to what an earlier exchange left."""
GOLDEN = 0.6180339887
"""Step between the places of successive groups: its multiples modulo 1 are spread evenly."""
RESTRAINED_SHARE = 0.12
"""Share of rows whose every question calls for no tool, or for none on offer."""
UNSERVED_SHARE = 0.14
"""Share of questions of other rows that call for no tool, or for none on offer."""
REFERRING_SHARE = 0.82
"""Share of later questions that refer back, where they can."""
SMALL_TALK_SHARE = 0.18
"""Share of small talk among the questions that call for no tool or for none on offer."""
KNOWLEDGE_SHARE = 0.32
"""Share of general knowledge among the questions that call for no tool or for none on offer."""
LACKING_SHARE = 0.5
"""Share of requests for an absent tool of the app, where one is absent, among those for none on offer."""
LACKING_FOREIGN_SHARE = 0.12
"""Share of requests for one of the generator's foreign tools that is not on offer, among the rest."""
ALSO_ABLE = {
    "list_files": ("find_files",),
    "find_files": ("list_files",),
    "search_text": ("read_file",),
    "file_info": ("read_file", "list_files"),
}
"""Tool -> others that could do what it is asked for."""
REFERABLE = frozenset(
    (
        *(
            "convert",
            "convert_spelled",
            "temperature",
            "quantity_in",
            "multiply",
            "add",
            "subtract",
            "divide",
        ),
        *("percent_of", "discount", "raise_by", "spelled_operation", "average", "weekday_of", "days_between"),
        *(
            "span_after",
            "span_before",
            "days_until",
            "time_in",
            "time_now",
            "search",
            "search_folder",
            "find",
        ),
        *(
            "list_path",
            "list_here",
            "find_by_type",
            "value_of",
            "cell_in",
            "stated_in_file",
            "stated_in_notes",
        ),
        *("note_search", "read", "write"),
    )
)
"""Intents that leave what several kinds of later requests refer to."""
REFERABLE_WEIGHT = 3
"""How much more often a dialogue begins with one of them."""
EXCHANGES = (2, 3, 4, 5)
EXCHANGE_WEIGHTS = (46, 27, 17, 10)
"""How often a dialogue has so many exchanges."""
MISFITS = 6
"""Number of requests that the world does not fit, after which a row is given up."""


BUILTIN_SHARE = 0.6
"""Share of groups over exactly the built-in tools; training reads that list once for many rows."""
LONG_SHARE = 0.375
"""Share of other lists with more tools than the app's: 25 % of all lists are short, 15 % long."""
FOREIGN_SHARE = 0.5
"""Share of these other lists over tools of a collection, where there is one."""
FOREIGN_REQUESTS = 0.72
"""Share of questions of such a group that ask for one of its foreign tools."""


@dataclass(frozen=True)
class Group:
    """What the rows of a group share. `extra` are the requests that foreign tools of a collection serve."""

    sample: Sampler
    world: World
    sandbox: Sandbox
    tools: Toolset
    foreign: Foreign | None = None
    extra: tuple[Intent, ...] = ()

    def serves(self, intent: Intent) -> bool:
        """Return whether all tools of an intent are on offer."""
        return all(self.tools.has(tool) for tool in intent.needs)

    def run(self, intent: Intent) -> Exchanges | None:
        """Return the exchanges of an intent with their outcomes; None if the world does not fit it."""
        return run_script(intent, self.sample, self.world, self.sandbox, self.tools)

    @property
    def knows(self) -> bool:
        """Whether general knowledge is asked for: no tool on offer may be one that looks it up."""
        return self.foreign_free and not (self.tools.has("define_word") or self.tools.has("translate_text"))

    @property
    def foreign_free(self) -> bool:
        """Whether no tool of a collection is on offer."""
        return all(tool in BUILTIN or tool in FOREIGN for tool in self.tools.offered)


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
) -> Exchanges | None:
    """Return the exchanges of an intent with their outcomes; None if the world does not fit it."""
    exchanges: Exchanges = []
    turns: list[Turn] = []
    try:
        script = intent.script(sample, world)
        said = next(script)
        # A request that refers back has no topic, and comes without a story.
        framed = intent.topic
        while True:
            match said:
                case Question(text):
                    turns = [UserTurn(sample.frame(text, framed) if framed else text)]
                    framed = ""
                    if not all(tools.has(tool) for tool in intent.needs):
                        return [_exchange(turns, Outcome(refusal(text), gave_up=True))]
                    said = next(script)
                case Step(thought, to_call):
                    calls = tuple(tools.call(call.tool, call.arguments) for call in to_call)
                    seen = [
                        sandbox.run(call, offered.name) for call, offered in zip(to_call, calls, strict=True)
                    ]
                    named = thought.replace("{tool}", calls[0].name).replace("{last_tool}", calls[-1].name)
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


def draw_restrained(group: Group) -> Intent:
    """Return an intent that calls nothing: small talk, or what no tool on offer does."""
    sample = group.sample
    roll = sample.rng.random()
    if roll < SMALL_TALK_SHARE:
        return sample.rng.choice(SMALL_TALK_INTENTS)
    if roll < SMALL_TALK_SHARE + KNOWLEDGE_SHARE and group.knows:
        return KNOWLEDGE
    # Among foreign tools, only requests are unserved that share no word with any of them.
    if group.foreign and (group.extra or sample.chance(0.4)):
        unserved = group.foreign.unserved_intent(sample, group.tools.offered)
        return unserved or sample.rng.choice(SMALL_TALK_INTENTS)
    lacking = [i for i in INTENTS.values() if _lacks(group, i)]
    if lacking and sample.chance(LACKING_SHARE):
        return sample.rng.choices(lacking, [i.weight for i in lacking])[0]
    # A word is explained from general knowledge where no tool looks it up.
    lacking = [i for i in FOREIGN_INTENTS if not group.serves(i) and i.name != "define_word"]
    if lacking and sample.chance(LACKING_FOREIGN_SHARE):
        return sample.rng.choice(lacking)
    offered = group.tools.has
    possible = {topic for tool, topics in TOPICS_BY_TOOL.items() if offered(tool) for topic in topics}
    return sample.rng.choice([intent for intent in IMPOSSIBLE_INTENTS if intent.name not in possible])


def _lacks(group: Group, intent: Intent) -> bool:
    """Return whether no tool on offer does what an intent of the app's tools asks, not even in part."""
    able = {*intent.needs, *(other for tool in intent.needs for other in ALSO_ABLE.get(tool, ()))}
    return bool(intent.needs) and not any(map(group.tools.has, able))


def draw_intent(group: Group, *, begins: bool = False) -> Intent:
    """Return an intent, mostly one that the offered tools serve, else one that calls nothing.

    One that `begins` a dialogue is more often one to refer back to.
    """
    sample = group.sample
    if sample.chance(UNSERVED_SHARE):
        return draw_restrained(group)
    if group.extra and sample.chance(FOREIGN_REQUESTS):
        return sample.rng.choices(group.extra, [intent.weight for intent in group.extra])[0]
    served = [i for i in _requests() if group.serves(i)]
    if any(tool not in BUILTIN for tool in group.tools.offered):
        # A tool on offer may do the half that is meant to be impossible.
        served = [i for i in served if not i.name.startswith("half_")]
    if not served:
        return draw_restrained(group)
    # A tool list seldom contains all tools of an intent that needs several: a higher weight compensates.
    weights = [
        i.weight * max(1, len(i.needs)) * (REFERABLE_WEIGHT if begins and i.name in REFERABLE else 1)
        for i in served
    ]
    return sample.rng.choices(served, weights)[0]


def draw_follow_up(group: Group, memory: Memory) -> Intent | None:
    """Return a request that refers back to what `memory` holds; None if there is none to refer to."""
    has = group.tools.has
    fitting = [f for f in FOLLOW_UPS.values() if all(has(tool) for tool in f.needs) and f.applies(memory)]
    if not fitting:
        return None
    return group.sample.rng.choices(fitting, [f.weight for f in fitting])[0].after(memory)


def _requests() -> list[Intent]:
    return [*INTENTS.values(), *FOREIGN_INTENTS]


def generate_rows(
    seed: int,
    split: Split,
    count: int,
    *,
    plain: float = BUILTIN_SHARE,
    max_tools: int = 30,
    follow_up: float = 0.5,
    collection: Collection | None = None,
) -> Iterator[Row]:
    """Yield `count` schema-1 rows of a split, in groups that share their tool list.

    `train` and `valid` draw from the same phrasings and values, `test` from those held out from both. `plain`
    is the share of lists of exactly the built-in tools, `max_tools` the longest other list. With probability
    `follow_up` (half of it in the test split) a row is a dialogue of two to five questions, most of which
    refer back. Where there is a collection of foreign tools, some groups are over these. The `meta` of a test
    row with one question holds the world and the texts that a right answer contains.
    """
    generated = number = 0
    foreign = Foreign(collection, split == "test") if collection else None
    with tempfile.TemporaryDirectory() as folder:
        while generated < count:
            place = (number * GOLDEN) % 1
            group = make_group(
                f"{seed}/{split}/{number}", split, Path(folder), plain, max_tools, foreign, place
            )
            for _ in range(GROUP_SIZE):
                id_ = f"synthetic-{split}-{seed}-{generated}"
                tries = (_row(group, id_, split, follow_up) for _ in range(TRIES))
                row = next((row for row in tries if row is not None), None)
                if row is None:
                    continue
                yield row
                generated += 1
                if generated == count:
                    break
            number += 1


def make_group(
    seed: str,
    split: Split,
    folder: Path,
    plain: float,
    max_tools: int,
    foreign: Foreign | None,
    place: float,
) -> Group:
    """Return a group with a random world in `folder` and a random tool list.

    `place`, from 0 to 1, says which kind of list: below `plain` the built-in tools, above it a short or a
    long other one. Evenly spread places give the shares even among few groups.
    """
    sample = Sampler(random.Random(seed), split)
    world = make_world(sample)
    extra: tuple[Intent, ...] = ()
    long = float(place >= 1 - (1 - plain) * LONG_SHARE)
    if place < plain:
        tools = make_toolset(sample, plain=1)
    elif foreign and sample.chance(FOREIGN_SHARE):
        tools = make_foreign_toolset(sample, foreign, max_tools, long=long)
        extra = tuple(foreign.intents(tools.offered))
    else:
        tools = make_toolset(sample, plain=0, max_tools=max_tools, long=long)
    return Group(sample, world, Sandbox(folder, world), tools, foreign, extra)


def _row(group: Group, id_: str, split: Split, follow_up: float) -> Row | None:
    sample = group.sample
    restrained = sample.chance(RESTRAINED_SHARE)
    wanted = 1
    if sample.chance(follow_up / 2 if split == "test" else follow_up):
        wanted = sample.rng.choices(EXCHANGES, EXCHANGE_WEIGHTS)[0]
    group.sandbox.reset()
    dialogue = Dialogue()
    intent, outcome = None, Outcome("")
    misfits = 0
    while dialogue.exchanges < wanted:
        begins = wanted > 1 and dialogue.memory.again is None
        intent = draw_restrained(group) if restrained else draw_intent(group, begins=begins)
        if dialogue.exchanges and intent.name in OPENING_ONLY:
            continue
        exchanges = None
        if dialogue.exchanges and not restrained and sample.chance(REFERRING_SHARE):
            exchanges = _refer(group, dialogue.memory)
        exchanges = exchanges or group.run(intent)
        if exchanges is None:
            misfits += 1
            if misfits == MISFITS:
                return None
            continue
        for turns, outcome in exchanges[: max(EXCHANGES) - dialogue.exchanges]:
            dialogue.add(turns, outcome)
    assert intent
    meta: dict[str, Any] = {}
    if split == "test" and dialogue.exchanges > 1:
        meta = {"intent": "dialogue", "simulated": True}
    elif split == "test":
        meta = {
            "intent": intent.name,
            "world": group.world.to_json(),
            "expects": list(outcome.expects),
            "reason": "gave_up" if outcome.gave_up else "answered",
            "simulated": bool(set(intent.needs) - set(BUILTIN)) or not group.tools.is_builtin,
        }
    return Row(id_, "synthetic", split, Transcript(group.tools.specs, tuple(dialogue.turns)), meta)


def _refer(group: Group, memory: Memory) -> Exchanges | None:
    """Return an exchange that refers back; None if several tries found nothing that fits."""
    for _ in range(6):
        intent = draw_follow_up(group, memory)
        if intent is None:
            return None
        if exchanges := group.run(intent):
            return exchanges
    return None
