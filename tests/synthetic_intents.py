"""Every intent of the generator by name: those of tools, of talk, of knowledge and of what no tool does."""

from __future__ import annotations

from train.data.synthetic.intents import INTENTS
from train.data.synthetic.intents.foreign_tools import FOREIGN_INTENTS
from train.data.synthetic.intents.no_call.impossible import IMPOSSIBLE_INTENTS
from train.data.synthetic.intents.no_call.knowledge import KNOWLEDGE
from train.data.synthetic.intents.no_call.small_talk import SMALL_TALK_INTENTS

ALL_INTENTS = INTENTS | {
    intent.name: intent for intent in (*SMALL_TALK_INTENTS, KNOWLEDGE, *IMPOSSIBLE_INTENTS, *FOREIGN_INTENTS)
}
