"""The drawing of requests: what a tool on offer serves, what refers back, and what calls nothing."""

from __future__ import annotations

from train.data.synthetic.follow_ups import FOLLOW_UPS
from train.data.synthetic.group import Group
from train.data.synthetic.intents import INTENTS
from train.data.synthetic.intents.from_tables import (
    FOREIGN_INTENTS,
    IMPOSSIBLE_INTENTS,
    SMALL_TALK_INTENTS,
    TOPICS_BY_TOOL,
)
from train.data.synthetic.intents.knowledge import KNOWLEDGE
from train.data.synthetic.memory import Memory
from train.data.synthetic.script import Intent
from train.data.synthetic.toolset import BUILTIN

SMALL_TALK_SHARE = 0.18
"""Share of small talk among the questions that call for no tool or for none on offer."""
KNOWLEDGE_SHARE = 0.32
"""Share of general knowledge among the questions that call for no tool or for none on offer."""
UNSERVED_SHARE = 0.14
"""Share of questions of other rows that call for no tool, or for none on offer."""
LACKING_SHARE = 0.65
"""Share of requests for an absent tool of the app, where one is absent, among those for none on offer."""
LACKING_FOREIGN_SHARE = 0.12
"""Share of requests for one of the generator's foreign tools that is not on offer, among the rest."""
FOREIGN_REQUESTS = 0.72
"""Share of questions of such a group that ask for one of its foreign tools."""
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
