"""The intents of small talk."""

from __future__ import annotations

from train.data.phrasings import REPLIES
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Intent, Outcome, Question, Script
from train.data.synthetic.worlds.world import World

SMALL_TALK_THOUGHT = "This is small talk; no tool is needed."


def _small_talk(kind: str) -> Intent:
    def script(sample: Sampler, world: World) -> Script:
        yield Question(sample.question(kind))
        return Outcome(sample.rng.choice(REPLIES[kind]), thought=SMALL_TALK_THOUGHT)

    return Intent(kind, (), "small talk", 0.35, script)


SMALL_TALK_INTENTS: tuple[Intent, ...] = tuple(_small_talk(kind) for kind in REPLIES)
