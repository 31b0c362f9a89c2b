"""The intent of general knowledge: questions that a model answers by itself, without a tool.

The texts are in `train/data/phrasings/knowledge/`. In `tables.txt` a section has phrasings that begin with
`?` and pairs `word = answer`; in `questions.txt` a line with a question in several wordings precedes its
answer. No answer holds a digit, since a grounded answer shows only numbers that the user or a tool gave.
"""

from __future__ import annotations

from train.data.phrasings import lines, sections
from train.data.synthetic.holdout import HELD_OUT_PHRASINGS
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Intent, Outcome, Question, Script
from train.data.synthetic.worlds.world import World

KNOWN_THOUGHT = "I know this; no tool is needed."
TABLE_SHARE = 0.4
"""Share of questions made of a table; the rest are written out."""


def _tables() -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Return the phrasings and the pairs of each section of `tables.txt`."""
    return tuple(
        (
            tuple(line.removeprefix("? ") for line in section if line.startswith("? ")),
            tuple(line for line in section if not line.startswith("? ")),
        )
        for section in sections("knowledge/tables.txt").values()
    )


def _questions() -> dict[str, str]:
    """Return each question of `questions.txt`, its wordings separated by ` / `, with its answer."""
    listed = lines("knowledge/questions.txt")
    return {asked: answer.removeprefix("= ") for asked, answer in zip(listed[::2], listed[1::2], strict=True)}


TABLES = _tables()
WRITTEN = _questions()


def _script(sample: Sampler, world: World) -> Script:
    if sample.chance(TABLE_SHARE):
        phrasings, pairs = sample.rng.choice(TABLES)
        word, _, answer = sample.pick(pairs).partition(" = ")
        text = sample.vary(sample.pick(phrasings, HELD_OUT_PHRASINGS)).replace("{x}", word)
    else:
        wordings, answer = sample.rng.choice(list(WRITTEN.items()))
        text = sample.vary(sample.pick(wordings.split(" / "), HELD_OUT_PHRASINGS))
    yield Question(text)
    return Outcome(answer, thought=KNOWN_THOUGHT)


KNOWLEDGE = Intent("knowledge", (), "general knowledge", 1, _script)
