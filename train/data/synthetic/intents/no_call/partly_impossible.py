"""Intents of two requests, of which a tool on offer serves one and none serves the other."""

from __future__ import annotations

from dataclasses import replace

from train.data.phrasings import QUESTIONS
from train.data.synthetic.holdout import HELD_OUT_PHRASINGS
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import (
    INTENTS,
    Intent,
    Question,
    Script,
    planned,
)
from train.data.synthetic.wording.refusal import spoken_back
from train.data.synthetic.worlds.world import World

_JOINTS = (
    " and ",
    " and ",
    " and then ",
    " then ",
    ", and ",
    ", then ",
    "; also ",
    ". Then ",
    ", and please ",
    " + ",
    ", so you can ",
    " - after that ",
)
"""Between the half that is possible and the one that is not."""


def _half(name: str) -> None:
    """Register a request of which the half `name` is possible, and a second half is not."""
    base = INTENTS[name]

    def script(sample: Sampler, world: World) -> Script:
        before = sample.chance(0.25)
        section = "impossible_half_before" if before else "impossible_half"
        tail = sample.pick(QUESTIONS[section], HELD_OUT_PHRASINGS)
        first = base.script(sample, world)
        question = next(first)
        assert isinstance(question, Question)
        if before:
            joint = sample.rng.choice((" and ", ", and ", ". Also: ", "; then ", " plus ", ", besides "))
            yield Question(f"{tail}{joint}{question.text}")
        else:
            yield Question(f"{question.text.rstrip('?.! ')}{sample.rng.choice(_JOINTS)}{tail}")
        refused = spoken_back(tail)
        outcome = yield from planned(first, f"say that I cannot {refused}")
        if outcome.gave_up:
            raise ValueError(tail)
        done = f"{outcome.answer}\n" if "\n" in outcome.answer else f"{outcome.answer.rstrip('.')}. "
        return replace(
            outcome,
            answer=f"{done}I cannot {refused}: no tool on offer does that.",
            thought=f"{outcome.thought.rstrip('.')}. No tool on offer can {refused}.",
        )

    half = f"half_{name}"
    weight = 1.6 if name in OFTEN else 0.9
    INTENTS[half] = Intent(half, base.needs, base.topic, weight, script)


OFTEN = frozenset(("read", "read_in_folder", "multiply", "note_search", "stated_in_notes", "time_in", "find"))
"""Halves whose result is most often what the other half is about."""
HALVES: tuple[str, ...] = (
    *("percent_of", "convert", "add_days", "days_until", "time_in", "purchase", "value_of", "info_size"),
    *("weekday_of", "search", "find", "read", "multiply", "time_now", "stated_in_notes", "stated_in_file"),
    *("note_search", "cell_in", "list_path", "read_in_folder"),
)
for _name in HALVES:
    _half(_name)
