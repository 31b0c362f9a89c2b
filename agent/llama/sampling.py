"""Selection of the next token under a constraint: greedy, by top-p sampling, or from a known text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.bundle import Sampling
from agent.errors import EngineError
from agent.llama.binding.model import Vocabulary
from agent.llama.grammar.constraints import Constraint

MARGIN_TRIES = 4
"""Likely tokens that the grammar is asked about one by one, before its mask is computed."""

TokenSelector = Callable[[NDArray[np.float32], Constraint, Sequence[int]], int]
"""(logits, constraint, the turn's tokens so far) -> the next token, or the one that ends the turn."""


@dataclass(frozen=True)
class ForcedDecoding:
    """Generation of a known text, for measurements: it costs what a model that writes the text would cost."""

    text: str
    jump_forward: bool = False
    """Whether forced and drafted tokens come in one decode, as in use; else every token has its own."""

    def token_selector(self, vocabulary: Vocabulary, end_token: int) -> TokenSelector:
        """Return a selector of the text's tokens and then `end_token`, at the cost of an argmax.

        The selector raises EngineError where the constraint does not allow the text.
        """
        ids = [*vocabulary.tokenize(self.text, False), end_token]

        def select(logits: NDArray[np.float32], constraint: Constraint, generated: Sequence[int]) -> int:
            int(logits.argmax())
            count = len(generated)
            if ids[:count] == generated:
                token = ids[count]
            else:  # the constraint's forced tokens split the text at other places
                token = self._next_after(vocabulary, generated, end_token)
            if not constraint.allows(token):
                raise EngineError(f"the constraint does not allow {self.text!r} after {count} tokens")
            return token

        return select

    def _next_after(self, vocabulary: Vocabulary, generated: Sequence[int], end_token: int) -> int:
        before = b"".join(map(vocabulary.piece, generated))
        rest = self.text.encode("utf-8").removeprefix(before).decode("utf-8", "replace")
        return [*vocabulary.tokenize(rest, False), end_token][0]


def sampling_selector(sampling: Sampling) -> TokenSelector:
    """Return a selector that samples as `sampling` says, from its seed on."""
    random = np.random.default_rng(sampling.seed)
    return lambda logits, constraint, _generated: sample(logits, constraint, sampling, random)


def sample(
    logits: NDArray[np.float32], constraint: Constraint, sampling: Sampling, random: np.random.Generator
) -> int:
    """Return the next token: the likeliest allowed one at temperature 0, else one drawn by top-p sampling.

    The mask is computed only where the likeliest token is not allowed, or to draw. Raise EngineError where
    the logits are not numbers or no token is allowed.
    """
    best = int(logits.argmax())
    if np.isnan(logits[best]):
        raise EngineError("the model computed no numbers: its weights are damaged", "see: umi models verify")
    if sampling.temperature <= 0 and constraint.allows(best):
        return best
    mask = constraint.mask()
    if not mask.any():
        raise EngineError("the grammar of a turn allows no token")
    allowed = np.where(mask, logits, -np.inf)
    if sampling.temperature <= 0:
        return int(allowed.argmax())
    weights = np.exp((allowed - allowed.max()).astype(np.float64) / sampling.temperature)
    order = np.argsort(-weights, kind="stable")
    weights = weights[order] / weights.sum()
    kept = max(1, int(np.searchsorted(np.cumsum(weights), sampling.top_p)) + 1)
    return int(random.choice(order[:kept], p=weights[:kept] / weights[:kept].sum()))


def margin(logits: NDArray[np.float32], constraint: Constraint, token: int) -> float:
    """Return by how much the logit of `token` exceeds that of the likeliest other allowed token, in nats.

    The difference of two logits is that of their log-probabilities. Infinite where no other is allowed.
    """
    others = logits.copy()
    others[token] = -np.inf
    for _ in range(MARGIN_TRIES):
        other = int(others.argmax())
        if constraint.allows(other):
            return float(logits[token] - others[other])
        others[other] = -np.inf
    return float(logits[token] - np.where(constraint.mask(), others, -np.inf).max())
