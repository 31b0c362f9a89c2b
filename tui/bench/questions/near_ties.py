"""Whether two answers differ only because llama.cpp's logits depend on how tokens are batched.

By how much the two likeliest tokens draw nearer or apart between tokens decoded at once and one by one is
measured. Two tokens whose logits differ by less than the most of that may change places, and so may two
margins that are as near to each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from agent.engine import Choice, Generated
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
    instead_of: Choice | None = None
    """The choice that it goes another way at, where it is a second proposal."""


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
    """Return the turns at which two answers part; None where they are the same.

    Where the next turn has another role, or there is none, these are the last that are the same. A turn that
    was stopped is the same as one that begins with its tokens: drafted ones come several at a time.
    """
    last = None
    for first, second in zip(one, other, strict=False):
        if (first.role, first.transcript) != (second.role, second.transcript):
            return (first, second) if first.instead_of and second.instead_of else last
        if _place(first) != _place(second) or not _are_same(first.generated, second.generated):
            return first, second
        last = first, second
    return last if len(one) != len(other) else None


def gap(engine: LlamaEngine, one: Turn, other: Turn) -> float:
    """Return how near to each other the choices are with which two answers part, in nats.

    That is the difference of the logits of the tokens with which two turns part, or of the margins of what
    they go another way at, or of their own margins where the turns are the same and what followed is not.
    """
    if one.instead_of and other.instead_of and _place(one) != _place(other):
        return abs(one.instead_of.margin - other.instead_of.margin)
    first, second = one.generated.tokens, other.generated.tokens
    if _are_same(one.generated, other.generated):
        return abs(one.generated.margin - other.generated.margin)
    common = common_length(first, second)
    end = engine.end_token(one.role)
    tokens = [turn[common] if common < len(turn) else end for turn in (first, second)]
    after = engine.logits(one.role, one.transcript, first[:common], at_once=False)[-1]
    return float(abs(after[tokens[0]] - after[tokens[1]]))


def _place(turn: Turn) -> tuple[Sequence[int], int] | None:
    """Return the place and the token that a second proposal goes another way at."""
    return (turn.instead_of.tokens, turn.instead_of.token) if turn.instead_of else None


def _are_same(one: Generated, other: Generated) -> bool:
    common = common_length(one.tokens, other.tokens)
    return all(
        common == len(turn.tokens) or (common == len(stopped.tokens) and stopped.stop == "cancelled")
        for turn, stopped in ((one, other), (other, one))
    )
