"""The choice of a stock model at the beginning of its message: an answer, or a call of one of the tools.

A model of this kind writes one message, and its beginning tells which role it plays: a text is the
summarizer's answer, a call the caller's. The choice is made by the logits at the beginning:

- the log-odds of the tokens with which a call begins, against all others;
- plus the score of the best tool, log p(name | question) - log p(name | no question), token by token where
  the names differ. Small models prefer the first tools of a list whatever they are asked; what they prefer
  without a question is subtracted (contextual calibration, Zhao et al. 2021, arXiv 2102.09690; domain
  conditional PMI, Holtzman et al. 2021, arXiv 2104.08315).

A call is made where the sum is above the bundle's `call_bias`, or `result_bias` after a result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.prompting.encoding import common_length

NO_QUESTION = "N/A"
"""The message of a conversation without a question."""

Logits = Callable[[Sequence[int]], NDArray[np.float32] | None]
"""Tokens after the prompt -> the logits after them, float32, shape (vocabulary,); None where cancelled."""
Priors = Mapping[tuple[int, ...], float]
"""Tokens of a name up to where names differ, with the next -> its log-probability without a question."""


@dataclass(frozen=True)
class ToolChoice:
    """The tool that a call would name, and by how much, in nats, a call is preferred to an answer."""

    name: str
    score: float


def choose_tool(
    openings: Mapping[str, Sequence[int]],
    beginnings: Sequence[int],
    priors: Priors,
    logits: Logits,
    *,
    least: float = -math.inf,
) -> ToolChoice | None:
    """Return the best tool and the score of calling it; None where cancelled.

    `openings` holds the tokens of each tool's call up to its arguments, `beginnings` the tokens with which a
    call may begin. Where no tool can score more than `least`, an upper bound of the score is returned, which
    takes no more computing, and any tool.
    """
    first = logits(())
    if first is None:
        return None
    score = log_odds(first, beginnings)
    left = dict(openings)
    highest = score + max(_largest_gain(ids, priors) for ids in left.values())
    if highest <= least:
        return ToolChoice(next(iter(left)), highest)
    while len(left) > 1:
        shared = _shared(left.values())
        after = logits(shared)
        if after is None:
            return None
        probabilities = log_probabilities(after)
        gains = {
            token: float(probabilities[token]) - priors.get((*shared, token), 0.0)
            for token in sorted({ids[len(shared)] for ids in left.values()})
        }
        best = max(gains, key=gains.__getitem__)
        score += gains[best]
        left = {name: ids for name, ids in left.items() if ids[len(shared)] == best}
    return ToolChoice(next(iter(left)), score)


def measure_priors(openings: Mapping[str, Sequence[int]], logits: Logits) -> Priors | None:
    """Return the log-probabilities of the tokens at which names differ; None where cancelled."""
    priors: dict[tuple[int, ...], float] = {}
    groups = [list(openings.values())]
    while groups:
        group = groups.pop()
        if len(group) < 2:
            continue
        shared = _shared(group)
        after = logits(shared)
        if after is None:
            return None
        probabilities = log_probabilities(after)
        branches: dict[int, list[Sequence[int]]] = {}
        for ids in group:
            branches.setdefault(ids[len(shared)], []).append(ids)
        for token, branch in branches.items():
            priors[*shared, token] = float(probabilities[token])
            groups.append(branch)
    return priors


def log_odds(logits: NDArray[np.float32], tokens: Sequence[int]) -> float:
    """Return log p - log (1 - p), p being the probability of `tokens` together, within 50 nats of 0."""
    values = logits.astype(np.float64)
    values -= values.max()
    weights = np.exp(values)
    inside = float(weights[list(tokens)].sum())
    outside = float(np.delete(weights, list(tokens)).sum())
    return max(-50.0, min(50.0, math.log(inside or 1e-300) - math.log(outside or 1e-300)))


def log_probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the log-softmax of `logits`, float64."""
    values = logits.astype(np.float64)
    values -= values.max()
    return values - math.log(np.exp(values).sum())


def _largest_gain(opening: Sequence[int], priors: Priors) -> float:
    """Return the largest score of a name: no probability is above 1."""
    return -sum(priors.get(tuple(opening[:end]), 0.0) for end in range(1, len(opening) + 1))


def _shared(sequences: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """Return the longest common prefix of token sequences, none of which begins another."""
    first, *others = sequences
    return tuple(first[: min(common_length(first, other) for other in others)])
