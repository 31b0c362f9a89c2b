"""The drawing of requests: what a tool on offer serves, what refers back, and what calls nothing."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from train.data.phrasings import FRAMING
from train.data.synthetic.follow_ups import FOLLOW_UPS
from train.data.synthetic.group import Group
from train.data.synthetic.intents import INTENTS
from train.data.synthetic.intents.foreign_tools import FOREIGN_INTENTS
from train.data.synthetic.intents.multi_step.chains import CHAINS
from train.data.synthetic.intents.no_call.impossible import IMPOSSIBLE_INTENTS, TOPICS_BY_TOOL
from train.data.synthetic.intents.no_call.knowledge import KNOWLEDGE
from train.data.synthetic.intents.no_call.small_talk import SMALL_TALK_INTENTS
from train.data.synthetic.memory import Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Intent, Question, Script
from train.data.synthetic.toolset import BUILTIN
from train.data.synthetic.worlds.world import World

SMALL_TALK_SHARE = 0.18
"""Share of small talk among the questions that call for no tool or for none on offer."""
KNOWLEDGE_SHARE = 0.32
"""Share of general knowledge among the questions that call for no tool or for none on offer."""
UNSERVED_SHARE = 0.12
"""Share of questions of other rows that call for no tool, or for none on offer."""
LACKING_SHARE = 0.65
"""Largest share of requests for an absent tool of the app among those for none on offer."""
LACKING_EACH = 0.13
"""What each absent tool adds to that share, since one that is never on offer would be refused too often."""
LACKED_SHARE = 0.2
"""Share of requests for an absent tool of the app where most are absent, besides the share above."""
FEW_TOOLS = 7
"""Number of tools up to which most of the app's are absent."""
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
_SENTENCE_STARTS = frozenset(
    (
        *("What", "How", "Which", "When", "Where", "Who", "Is", "Can", "Could", "Please", "Give", "Tell"),
        *("Show", "Read", "Open", "Search", "Find", "List", "Save", "Write", "Note", "Convert", "Work"),
        *("Calculate", "Add", "Look", "The", "My", "Do", "Does", "Are", "There", "In", "On", "From"),
    )
)
OPENERS = {
    **dict.fromkeys(
        ("multiply", "add", "subtract", "divide", "spelled_operation", "discount", "raise_by"), 3.0
    ),
    **dict.fromkeys(("groups", "share", "fraction_of", "percent_share", "days_since", "event_after"), 3.0),
    **dict.fromkeys(("remainder", "warmer_or_colder", "price_of_one", "single_of_dozen", "factor_then"), 3.0),
    **dict.fromkeys(("two_items", "age_in_days", "weekday_after", "two_times", "in_and_out"), 2.0),
    **dict.fromkeys(("convert_spelled", "average", "time_now", "search_folder"), 2.0),
    **dict.fromkeys(("days_between", "days_until", "span_after", "span_before", "time_in", "find"), 3.5),
    **dict.fromkeys(("list_here", "value_of", "note_search", "stated_in_file", "search"), 4.5),
    **dict.fromkeys(("convert", "write", "read", "stated_in_notes", "value_of_twin"), 6.0),
    **dict.fromkeys(("temperature", "quantity_in", "percent_of", "list_path", "cell_in"), 7.0),
    **dict.fromkeys(("weekday_of", "shared_in_notes"), 8.0),
    **dict.fromkeys(("read_lines", "line_number", "item_at", "append", "copy_file", "cell_somewhere"), 4.0),
    **dict.fromkeys(("info_lines", "info_size", "info_date", "info_elsewhere", "count_entries"), 2.0),
    **dict.fromkeys(
        ("stated_in_folder", "read_in_folder", "overwrite", "write_lines", "value_somewhere"), 3.0
    ),
    **dict.fromkeys(("cell_asked", "cell_asked_somewhere", "group_total"), 7.0),
    **dict.fromkeys(("stated_somewhere", "note_add", "section_of", "about_somewhere", "numbered_item"), 6.5),
    **dict.fromkeys(("stated_in_log", "stated_in_logs", "config_asked", "compared_in_folder"), 7.0),
    **dict.fromkeys(("sibling_asked", "find_by_type", "find_numbered", "sibling_noted"), 5.0),
    **dict.fromkeys(("measure_converted", "reading_with_alarm", "only_of_level", "set_value"), 5.0),
    "stated_in_described": 12.0,
    **dict.fromkeys(CHAINS, 0.8),
    **dict.fromkeys(("total_shared", "note_times", "note_converted", "days_between_listed"), 3.0),
    **dict.fromkeys(("days_to_listed", "days_to_sole", "asked_days", "kilometres_total"), 3.0),
    **dict.fromkeys(("each_of_series", "best_of_series", "value_of_both", "more_of_both"), 3.0),
    **dict.fromkeys((name for name in INTENTS if name.startswith("missing_")), 1.2),
    "both": 12.0,
}
"""Intents that leave what later requests refer to, with their weights where a dialogue begins with one."""
OPENER_SHARE = 0.75
"""Share of dialogues that begin with one of them."""
TALK_KINDS = {"greet": 6.0, "how_are_you": 2.0, "who_are_you": 1.5, "capabilities": 1.5, "told_self": 9.0}
"""How much more often a dialogue begins with this talk than with other small talk."""
TALK_WEIGHTS = {"privacy": 2.5, "bye": 1.5, "who_are_you": 1.5, "feelings": 1.5, "joke": 0.6}
"""How much more often a question that calls for no tool is this talk than other small talk."""
REFUSED_FIRST_SHARE = 0.35
"""Share of requests that no tool serves among what a dialogue begins with before a tool is called for."""


def draw_talk(group: Group) -> Intent:
    """Return what a dialogue begins with before a tool is called for: talk, or what no tool on offer does."""
    sample = group.sample
    if sample.chance(REFUSED_FIRST_SHARE):
        return draw_restrained(group)
    kinds = [*SMALL_TALK_INTENTS, INTENTS["told_self"]]
    return sample.rng.choices(kinds, [TALK_KINDS.get(kind.name, 1.0) for kind in kinds])[0]


def led_in(intent: Intent, ended: str) -> Intent:
    """Return a request whose first question begins with words about the exchange before.

    `ended` says how that ended: `talk`, `refusal` or `result`.
    """

    def script(sample: Sampler, world: World) -> Script:
        asking = intent.script(sample, world)
        said = next(asking)
        assert isinstance(said, Question)
        seen = yield Question(join_lead(sample.pick(FRAMING[f"after_{ended}"]), said.text))
        while True:
            try:
                seen = yield asking.send(seen)
            except StopIteration as stop:
                return stop.value

    return replace(intent, topic="", script=script)


def join_lead(lead: str, text: str) -> str:
    """Return a request after words that lead over to it, its first word in lower case within a sentence."""
    first = text.partition(" ")[0]
    if lead.rstrip()[-1] not in ".!?" and first in _SENTENCE_STARTS:
        text = text[0].lower() + text[1:]
    return lead + text


def draw_restrained(group: Group) -> Intent:
    """Return an intent that calls nothing: small talk, or what no tool on offer does."""
    sample = group.sample
    roll = sample.rng.random()
    if roll < SMALL_TALK_SHARE:
        weights = [TALK_WEIGHTS.get(kind.name, 1.0) for kind in SMALL_TALK_INTENTS]
        return sample.rng.choices(SMALL_TALK_INTENTS, weights)[0]
    if roll < SMALL_TALK_SHARE + KNOWLEDGE_SHARE and group.knows:
        return KNOWLEDGE
    # Among foreign tools, only requests are unserved that share no word with any of them.
    if group.foreign and (group.extra or sample.chance(0.4)):
        unserved = group.foreign.unserved_intent(sample, group.tools.offered)
        return unserved or sample.rng.choice(SMALL_TALK_INTENTS)
    absent = sum(not group.tools.has(tool) for tool in BUILTIN)
    if sample.chance(min(LACKING_SHARE, LACKING_EACH * absent)) and (lacking := _draw_lacking(group)):
        return lacking
    # A word is explained from general knowledge where no tool looks it up.
    lacking = [i for i in FOREIGN_INTENTS if not group.serves(i) and i.name != "define_word"]
    if lacking and sample.chance(LACKING_FOREIGN_SHARE):
        return sample.rng.choice(lacking)
    offered = group.tools.has
    possible = {topic for tool, topics in TOPICS_BY_TOOL.items() if offered(tool) for topic in topics}
    return sample.rng.choice([intent for intent in IMPOSSIBLE_INTENTS if intent.name not in possible])


def _draw_lacking(group: Group) -> Intent | None:
    """Return a request for a tool of the app that is not on offer; None if there is none."""
    lacking = [i for i in INTENTS.values() if _lacks(group, i)]
    return group.sample.rng.choices(lacking, [i.weight for i in lacking])[0] if lacking else None


def _lacks(group: Group, intent: Intent) -> bool:
    """Return whether no tool on offer does what an intent of the app's tools asks, not even in part.

    What only tells something, or lacks an argument, is answered without the tool.
    """
    if intent.name.startswith(("told_", "missing_")):
        return False
    able = {*intent.needs, *(other for tool in intent.needs for other in ALSO_ABLE.get(tool, ()))}
    return bool(intent.needs) and not any(map(group.tools.has, able))


def draw_intent(group: Group, *, begins: bool = False) -> Intent:
    """Return an intent, mostly one that the offered tools serve, else one that calls nothing.

    One that `begins` a dialogue is more often one to refer back to.
    """
    sample = group.sample
    if sample.chance(UNSERVED_SHARE):
        return draw_restrained(group)
    few = group.foreign_free and len(group.tools.offered) <= FEW_TOOLS
    if few and sample.chance(LACKED_SHARE) and (lacking := _draw_lacking(group)):
        return lacking
    if group.extra and sample.chance(FOREIGN_REQUESTS):
        return sample.rng.choices(group.extra, [intent.weight for intent in group.extra])[0]
    served = [i for i in _requests() if group.serves(i)]
    openers = [i for i in served if i.name in OPENERS] if begins else []
    if openers and sample.chance(OPENER_SHARE):
        return sample.rng.choices(openers, [OPENERS[i.name] for i in openers])[0]
    if any(tool not in BUILTIN for tool in group.tools.offered):
        # A tool on offer may do the half that is meant to be impossible.
        served = [i for i in served if not i.name.startswith("half_")]
    if not served:
        return draw_restrained(group)
    # A tool list seldom contains all tools of an intent that needs several: a higher weight compensates.
    weights = [i.weight * max(1, len(i.needs)) for i in served]
    return sample.rng.choices(served, weights)[0]


def draw_follow_up(group: Group, memory: Memory, tried: Container[str] = ()) -> Intent | None:
    """Return a request that refers back to what `memory` holds, of a kind that was not `tried`.

    None if there is none to refer to.
    """
    has = group.tools.has
    fitting = [
        f
        for f in FOLLOW_UPS.values()
        if f.name not in tried and all(has(tool) for tool in f.needs) and f.applies(memory)
    ]
    if not fitting:
        return None
    return group.sample.rng.choices(fitting, [f.weight for f in fitting])[0].after(memory)


def _requests() -> list[Intent]:
    return [*INTENTS.values(), *FOREIGN_INTENTS]
