"""Whether two texts of one prompt differ only because llama.cpp's logits depend on how tokens are batched.

By how much the two likeliest tokens draw nearer or apart between tokens decoded at once and one by one is
measured. Two tokens whose logits differ by less than the most of that may change places.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from agent.engine import Generated
from agent.llama.binding.context import BATCH
from agent.llama.engine import LlamaEngine
from agent.prompting.encoding import common_length
from agent.transcript import Role, Transcript


@dataclass(frozen=True)
class Turn:
    """A turn as it was generated."""

    role: Role
    transcript: Transcript
    """What came before it."""
    generated: Generated


def spread(engine: LlamaEngine, turns: Iterable[Turn]) -> float:
    """Return the largest change of the margin of the likeliest token over the next, in nats.

    It is that between the tokens of `turns` decoded one by one and at once.
    """
    largest = 0.0
    for turn in turns:
        tokens = turn.generated.tokens[:BATCH]
        at_once, singly = (
            engine.logits(turn.role, turn.transcript, tokens, at_once=at_once) for at_once in (True, False)
        )
        likeliest = np.argpartition(singly, -2, axis=-1)[:, -2:]
        margins = (np.take_along_axis(each, likeliest, axis=-1) for each in (at_once, singly))
        one, other = (np.diff(pair, axis=-1) for pair in margins)
        largest = max(largest, float(np.abs(one - other).max()))
    return largest


def first_difference(one: Sequence[Turn], other: Sequence[Turn]) -> tuple[Turn, Turn] | None:
    """Return the first turns that differ although what came before them is the same; None for none."""
    for first, second in zip(one, other, strict=False):
        if first.generated.tokens != second.generated.tokens:
            return first, second
    return None


def gap(engine: LlamaEngine, one: Turn, other: Turn) -> float:
    """Return by how much the logits of the tokens differ with which two turns after one transcript part."""
    first, second = one.generated.tokens, other.generated.tokens
    common = common_length(first, second)
    end = engine.end_token(one.role)
    tokens = [turn[common] if common < len(turn) else end for turn in (first, second)]
    after = engine.logits(one.role, one.transcript, first[:common], at_once=False)[-1]
    return float(abs(after[tokens[0]] - after[tokens[1]]))
