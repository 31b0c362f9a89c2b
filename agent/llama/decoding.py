"""One turn being written: forced tokens at once, guessed ones checked together, the rest one by one.

What is written does not depend on how many tokens a decode checked: every token is the one that the model,
under its constraint, would have chosen at that place.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from agent.bundle import Sampling
from agent.engine import Delta, Generated, Stop
from agent.errors import EngineError
from agent.events import Usage
from agent.llama.constraints import Constraint
from agent.llama.context import BATCH, Context
from agent.llama.model import Vocabulary
from agent.llama.prompt_lookup import FIRST_DRAFT, LONGEST_DRAFT, PromptLookup
from agent.prompting.encoding import common_length

Choose = Callable[[NDArray[np.float32], Constraint, Sequence[int]], int]
"""(scores, what is allowed, the turn so far) -> the next token, or the one that ends the turn."""


class TurnDecoder:
    """Writes a turn of at most `limit` tokens in a context that has read the prompt.

    With `guess`, what the constraint makes likely is guessed and checked together with what precedes it, and
    with a `lookup` over the prompt also what may be a copy; only where the likeliest token is taken
    (temperature 0). `choose` takes the place of the sampling; without `jump`, tokens that the constraint
    forces are written one by one like all others.
    """

    def __init__(
        self,
        context: Context,
        vocabulary: Vocabulary,
        constraint: Constraint,
        sampling: Sampling,
        *,
        end: int,
        limit: int,
        guess: bool = False,
        lookup: PromptLookup | None = None,
        choose: Choose | None = None,
        jump: bool = True,
    ) -> None:
        self._context = context
        self._vocabulary = vocabulary
        self._constraint = constraint
        self._choose = choose or _sampled(sampling)
        self._jump = jump
        self._end = end
        self._limit = limit
        self._guesses = guess and sampling.temperature <= 0
        self._lookup = lookup if self._guesses else None
        self._opening: list[int] = []
        self._pending: list[int] = []
        self._guess = FIRST_DRAFT
        self._written: list[int] = []
        self._stop: Stop | None = None

    def opening(self) -> list[int]:
        """The tokens with which the turn begins in any case; to be read with the prompt, before `run`."""
        self._opening = self._forced()
        return self._opening

    def run(self, usage: Usage, cancelled: Callable[[], bool]) -> Iterator[Delta | Generated]:
        """Write the turn; `usage` is what reading cost. Raises EngineError where llama.cpp fails."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        text, seconds = "", 0.0
        while True:
            started = perf_counter()
            tokens = self._next(cancelled)
            piece = decoder.decode(b"".join(map(self._vocabulary.piece, tokens)))
            text += piece
            seconds += perf_counter() - started
            if piece:
                yield Delta(piece)
            if self._stop:
                total = usage + Usage(generated=len(self._written), write_seconds=seconds)
                yield Generated(text, self._stop, total)
                return

    def _next(self, cancelled: Callable[[], bool]) -> list[int]:
        """The next tokens of the turn; none where it ends here, and then `_stop` says why."""
        if self._opening:
            opening, self._opening = self._opening, []
            return opening
        if self._constraint.must_end:
            self._stop = "end"
        elif cancelled():
            self._stop = "cancelled"
        elif len(self._written) >= self._limit:
            self._stop = "length"
        elif forced := self._forced():
            self._pending += forced
            return forced
        else:
            return self._chosen(cancelled)
        return []

    def _chosen(self, cancelled: Callable[[], bool]) -> list[int]:
        """At least one token that the model chose, unless it ended the turn or was cancelled."""
        context, draft = self._context, self._draft()
        if not context.decode([*self._pending, *draft], cancelled, outputs=len(draft) + 1):
            self._stop = "cancelled"
            return []
        taken: list[int] = []
        while True:
            logits = context.logits(len(draft) - len(taken))
            token = self._choose(logits, self._constraint, self._written)
            if token == self._end:
                self._stop = "end"
                right = len(taken)
                break
            run = [*self._take([token]), *self._forced()]
            agreed = common_length(run, draft[len(taken) :])
            taken += run
            right = len(taken) - len(run) + agreed
            if agreed < len(run) or self._constraint.must_end or len(self._written) >= self._limit:
                break
        context.cut(len(context.held) - (len(draft) - right))
        self._pending = taken[right:]
        if draft:
            # A copy that went well goes on; where one ended, the next is tried with a short guess.
            self._guess = min(2 * self._guess, LONGEST_DRAFT) if right == len(draft) else FIRST_DRAFT
        return taken

    def _draft(self) -> list[int]:
        """A guess at what follows, as far as the constraint and the limit allow it."""
        room = self._limit - len(self._written) - 1
        if not self._guesses or not self._pending or room < 1 or len(self._pending) > BATCH // 2:
            return []
        draft = self._lookup.draft(min(room, self._guess)) if self._lookup else []
        likely = draft or self._vocabulary.tokenize(self._constraint.likely(), False)
        return self._constraint.allowed_prefix(likely[:room])

    def _forced(self) -> list[int]:
        """The tokens that must come next, accepted."""
        taken: list[int] = []
        while self._jump and not self._constraint.must_end:
            forced = self._constraint.forced()[: self._limit - len(self._written)]
            if not forced:
                break
            taken += self._take(forced)
        return taken

    def _take(self, tokens: list[int]) -> list[int]:
        for token in tokens:
            self._constraint.accept(token)
        if self._lookup:
            self._lookup.extend(tokens)
        self._written += tokens
        return tokens


def _sampled(sampling: Sampling) -> Choose:
    random = np.random.default_rng(sampling.seed)
    return lambda logits, constraint, _written: pick(logits, constraint, sampling, random)


def pick(
    logits: NDArray[np.float32], constraint: Constraint, sampling: Sampling, random: np.random.Generator
) -> int:
    """The next token. The mask is computed only where the likeliest token is not allowed, or to draw.

    Raises EngineError where the model computed no numbers or nothing is allowed.
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
