"""Intents of two clauses: one has something found or worked out, the other uses what came of it.

A first clause (`lead_…`) and a second one (`next_…`) are phrased apart and joined, so that the questions are
as many as their pairs. Each thought names what is left to do after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from train.data.phrasings import QUESTIONS
from train.data.synthetic.holdout import HELD_OUT_PHRASINGS
from train.data.synthetic.intents.multi_step.chain_ends import NEXTS
from train.data.synthetic.intents.multi_step.chain_parts import Found, Next
from train.data.synthetic.intents.multi_step.chain_starts import STARTS
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import INTENTS, Intent, Outcome, Question, Script
from train.data.synthetic.worlds.world import World

_AFTER_QUESTION = ("? ", "? ", "? And ", "? then ", ", and ", " and ", "? Also, ", "? after that, ", " & ")
_AFTER_OTHERS = (
    *(
        ", then ",
        ", then ",
        " and ",
        " and ",
        ". ",
        ". ",
        "; ",
        ", ",
        ". Then ",
        ", and ",
        " - ",
        " and then ",
    ),
    *(". After that, ", ", after that ", "; then ", ". And ", " & ", ". Next, ", " ... "),
)
_REVERSED_SHARE = 0.12
"""Share of requests to save a result that name where to before what."""


_NUMBER_ENDS = {
    **{"shared": 1.0, "times": 0.6, "percent": 0.35, "percent_off": 0.3, "percent_on": 0.3},
    **{"plus": 0.25, "minus": 0.3, "written": 0.5, "noted": 0.5},
}
_SAVED = {"written": 1.0, "noted": 0.8}
_ENDS: dict[str, dict[str, float]] = {
    "total": _NUMBER_ENDS,
    "amount": {end: 0.7 * weight for end, weight in _NUMBER_ENDS.items()},
    "count": {"shared": 0.5, "times": 0.4, "minus": 0.25, "plus": 0.25, "written": 0.3},
    "noted_count": {"shared": 0.6, "times": 0.6, "minus": 0.4, "plus": 0.3, "written": 0.3},
    "series": {"noted": 1.6, "written": 1.0, "shared": 0.5, "times": 0.5, "percent_off": 0.3},
    "column": {"unit": 1.0, "shared": 0.6, "written": 0.3, "noted": 0.3, "times": 0.2},
    "measure": {"unit": 1.3, "written": 0.3, "noted": 0.3},
    "sole_measure": {"unit": 1.6},
    "noted_measure": {"unit": 1.0, "written": 0.3},
    **dict.fromkeys(("add", "subtract", "multiply", "divide", "converted"), _SAVED),
    "date": {"until": 1.8, "weekday": 0.7, "written": 0.4, "noted": 0.5},
    "days": {"weeks": 0.6, "written": 0.3, "noted": 0.3},
}
"""What is found first -> what may be done with it, each with its sampling weight."""


def _question(sample: Sampler, start: str, end: Next, slots: dict[str, str]) -> str:
    """Return a first and a second clause, joined to one question."""
    lead = sample.pick(QUESTIONS[f"lead_{start}"], HELD_OUT_PHRASINGS)
    after = sample.pick(QUESTIONS[end.section], HELD_OUT_PHRASINGS)
    if end.saves and not after.startswith(("-", "could", "can", "would")) and sample.chance(_REVERSED_SHARE):
        phrasing = f"{after}: {lead}"
    else:
        joints = _AFTER_QUESTION if lead.endswith("?") else _AFTER_OTHERS
        phrasing = f"{lead.rstrip('?')}{sample.rng.choice(joints)}{after}"
    return sample.phrased((phrasing,), **slots)


def _script(kind: str, end_kind: str) -> Callable[[Sampler, World], Script]:
    def script(sample: Sampler, world: World) -> Script:
        start = STARTS[kind].draw(sample, world, end_kind)
        end = NEXTS[end_kind].draw(sample, world, start)
        yield Question(_question(sample, kind, end, start.slots | end.slots))
        found: Found = yield from start.find(end.plan)
        outcome = yield from end.finish(found)
        if outcome.gave_up:
            return outcome
        return _joined(found, outcome)

    return script


def _joined(found: Found, outcome: Outcome) -> Outcome:
    """Return the outcome of the second step with what the first one found said before it."""
    done = f"It is {found.asked}" if found.asked else found.said
    return replace(
        outcome,
        answer=f"{found.answer} {outcome.answer}",
        expects=(found.asked or found.value, *outcome.expects),
        thought=f"{done}. {outcome.thought}",
    )


def _register() -> tuple[str, ...]:
    """Register an intent for each pair of steps, and return their names."""
    names = []
    for start, ends in _ENDS.items():
        for end, weight in ends.items():
            needs = tuple(dict.fromkeys((*STARTS[start].needs, *NEXTS[end].needs)))
            topic = NEXTS[end].topic or STARTS[start].topic
            name = f"{start}_then_{end}"
            names.append(name)
            INTENTS[name] = Intent(name, needs, topic, 1.7 * weight, _script(start, end))
    return tuple(names)


CHAINS = _register()
"""The names of the intents of this module."""
