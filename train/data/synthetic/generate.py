"""Generation of trajectories, in groups that share a tool list and a workspace, by running the real tools."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agent.transcript import CallerTurn, Row, Split, Transcript, Turn
from train.data.foreign.collection import Collection
from train.data.foreign.requests import Foreign
from train.data.synthetic.drawing import draw_follow_up, draw_intent, draw_restrained, draw_talk, led_in
from train.data.synthetic.group import BUILTIN_SHARE, Exchanges, Group, make_group
from train.data.synthetic.memory import Memory
from train.data.synthetic.script import Outcome
from train.data.synthetic.toolset import BUILTIN

GROUP_SIZE = 20
"""Number of rows that share a tool list and a world."""
TRIES = 4
"""Number of times that a row is tried, so that a world which fits few requests still gets its rows."""
OPENING_ONLY = frozenset(
    (
        *("missing_all", "missing_until", "missing_value", "missing_units", "missing_file", "missing_city"),
        *("missing_base", "missing_numbers", "missing_dates", "missing_note", "missing_name"),
        *("missing_query", "missing_topic", "missing_content", "missing_operand", "missing_info"),
        *("missing_path", "missing_start"),
    )
)
"""Intents whose question would refer back to what an earlier exchange left."""
GOLDEN = 0.6180339887
"""Step between the places of successive groups: its multiples modulo 1 are spread evenly."""
RESTRAINED_SHARE = 0.12
"""Share of rows of one question that calls for no tool, or for none on offer."""
RESTRAINED_DIALOGUES = 0.05
"""Share of dialogues whose every question is such a one."""
TALK_FIRST_SHARE = 0.2
"""Share of other dialogues that begin with one, after which a tool is called for."""
LED_IN_SHARE = 0.4
"""Share of requests with words before them that lead over from the exchange before."""
REFERRING_SHARE = 0.92
"""Share of later questions that refer back, where they can."""
EXCHANGES = (2, 3, 4, 5)
EXCHANGE_WEIGHTS = (42, 29, 18, 11)
"""How often a dialogue has so many exchanges."""
MISFITS = 6
"""Number of requests that the world does not fit, after which a row is given up."""


@dataclass
class Dialogue:
    """The turns of a row so far, and what they leave to refer to."""

    turns: list[Turn] = field(default_factory=list)
    memory: Memory = field(default_factory=Memory)
    exchanges: int = 0
    ended: str = ""
    """How the last exchange ended: `talk` without a call, `refusal`, or `result`."""

    def add(self, turns: Sequence[Turn], outcome: Outcome) -> None:
        """Append an exchange."""
        self.turns.extend(turns)
        self.exchanges += 1
        called = any(isinstance(turn, CallerTurn) for turn in turns)
        self.ended = "refusal" if outcome.gave_up else "result" if called else "talk"
        past = self.memory.past
        if outcome.gave_up:
            if called:
                self.memory = Memory(past=past)
        elif outcome.memory is not None:
            left, answer = outcome.memory, outcome.answer
            # The others of a list can still be asked for after one of them was.
            paths = left.paths or (self.memory.paths if left.path in self.memory.paths else ())
            self.memory = replace(left, answer=answer, past=(*past, answer), paths=paths)


def generate_rows(
    seed: int,
    split: Split,
    count: int,
    *,
    plain: float = BUILTIN_SHARE,
    max_tools: int = 30,
    follow_up: float = 0.58,
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


def _row(group: Group, id_: str, split: Split, follow_up: float) -> Row | None:
    sample = group.sample
    wanted = 1
    if sample.chance(follow_up / 2 if split == "test" else follow_up):
        wanted = sample.rng.choices(EXCHANGES, EXCHANGE_WEIGHTS)[0]
    restrained = sample.chance(RESTRAINED_SHARE if wanted == 1 else RESTRAINED_DIALOGUES)
    talk_first = wanted > 1 and not restrained and sample.chance(TALK_FIRST_SHARE)
    group.sandbox.reset()
    dialogue = Dialogue()
    intent, outcome = None, Outcome("")
    misfits = 0
    while dialogue.exchanges < wanted:
        begins = wanted > 1 and dialogue.memory.again is None
        if talk_first and not dialogue.exchanges:
            intent = draw_talk(group)
        else:
            intent = draw_restrained(group) if restrained else draw_intent(group, begins=begins)
        if dialogue.exchanges and intent.name in OPENING_ONLY:
            continue
        if dialogue.exchanges and group.serves(intent) and sample.chance(LED_IN_SHARE):
            intent = led_in(intent, dialogue.ended)
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
    """Return an exchange that refers back; None if nothing fits."""
    tried: set[str] = set()
    while intent := draw_follow_up(group, memory, tried):
        if exchanges := group.run(intent):
            return exchanges
        tried.add(intent.name)
    return None
