"""Generating one turn: forced tokens at once, drafted tokens verified together, all others one at a time.

The text does not depend on how many tokens a decode verifies: each token is the one that the model, under its
constraint, chooses at that place. (Speculative decoding, Leviathan et al. 2023, arXiv 2211.17192; forced
tokens are known as jump-forward decoding.)
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import nsmallest
from time import perf_counter

import numpy as np

from agent.bundle import Sampling
from agent.engine import CHOICES, Choice, Delta, Generated, Stop
from agent.events import Usage
from agent.llama.binding.context import BATCH, Context
from agent.llama.binding.measured import MANY
from agent.llama.binding.model import Vocabulary
from agent.llama.drafting.drafter import LONGEST_DRAFT, PROBABLE, Drafter
from agent.llama.drafting.likely_turn import LikelyTurn
from agent.llama.grammar.constraints import Constraint
from agent.llama.sampling import ForcedDecoding, margin, sampling_selector
from agent.prompting.encoding import common_length


@dataclass(frozen=True)
class Following:
    """The tokens that follow a turn with a certain end in the prompt of the next one, in the same context."""

    ending: bytes
    ids: list[int]


class TurnDecoder:
    """Generates a turn of at most `limit` tokens in a context that has read the prompt."""

    def __init__(
        self,
        context: Context,
        vocabulary: Vocabulary,
        constraint: Constraint,
        sampling: Sampling,
        *,
        end_token: int,
        limit: int,
        drafter: Drafter | None = None,
        likely: LikelyTurn | None = None,
        following: Following | None = None,
        forced: ForcedDecoding | None = None,
        instead_of: Choice | None = None,
    ) -> None:
        """With a `drafter`, and at temperature 0, tokens are drafted and verified in one decode.

        Where it has no guess, the constraint's probable text is the draft; a guess of `likely` goes first. A
        draft that completes the turn is decoded with the tokens that are `following`, for which there must be
        room. `forced` takes the place of sampling. With `instead_of`, the turn begins with its tokens and
        goes on with another than its token.
        """
        self._context = context
        self._vocabulary = vocabulary
        self._constraint = constraint
        self._select = forced.token_selector(vocabulary, end_token) if forced else sampling_selector(sampling)
        self._jump_forward = forced is None or forced.jump_forward
        self._end_token = end_token
        self._limit = limit
        self._drafter = drafter if sampling.temperature <= 0 else None
        self._likely = likely
        self._following = following
        self._opening: list[int] = []
        self._pending: list[int] = []
        """Accepted tokens that are not in the context yet."""
        self._draft: list[int] = []
        """Guessed tokens in the context, after the accepted ones, that are not verified yet."""
        self._is_drafters = False
        """Whether they are a guess of the drafter."""
        self._next_turn: list[int] = []
        """Tokens in the context after the guessed ones: the beginning of the next turn."""
        self._generated: list[int] = []
        self._decodes = self._drafted = self._accepted = 0
        self._stop: Stop | None = None
        self._instead_of = instead_of
        self._measures_margin = forced is None and sampling.temperature <= 0
        self._choices: list[tuple[float, int, int]] = []
        """The margin, the place and the token of each choice."""

    @property
    def is_forced(self) -> bool:
        """Whether the tokens of `opening` are the whole turn, so that no model is asked for it."""
        return self._constraint.must_end

    def opening(self) -> list[int]:
        """Return the tokens that begin the turn in any case; decode them with the prompt, before `run`."""
        begun = self._accept(list(self._instead_of.tokens)) if self._instead_of else []
        self._opening = [*begun, *self._accept_forced()]
        return self._opening

    def opening_draft(self, room: int) -> list[int]:
        """Return at most `room` guessed tokens to decode after the opening, with a logit for each."""
        self._decodes += 1
        return self._guess(room, MANY)

    def run(self, usage: Usage, cancelled: Callable[[], bool]) -> Iterator[Delta | Generated]:
        """Generate the turn; `usage` is what the prompt cost. Raise EngineError where llama.cpp fails."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        text, seconds = "", 0.0
        while True:
            started = perf_counter()
            tokens = self._next_tokens(cancelled)
            piece = decoder.decode(b"".join(map(self._vocabulary.piece, tokens)))
            text += piece
            seconds += perf_counter() - started
            if piece:
                yield Delta(piece)
            if self._stop:
                written = Usage(
                    generated=len(self._generated),
                    write_seconds=seconds,
                    decodes=self._decodes,
                    drafted=self._drafted,
                    accepted=self._accepted,
                )
                yield self._generated_turn(text, self._stop, usage + written)
                return

    def _generated_turn(self, text: str, stop: Stop, usage: Usage) -> Generated:
        tokens = tuple(self._generated)
        choices = [
            Choice(tokens[:place], token, least) for least, place, token in nsmallest(CHOICES, self._choices)
        ]
        return Generated(
            text, stop, usage, choices[0].margin if choices else math.inf, tokens, tuple(choices)
        )

    def _next_tokens(self, cancelled: Callable[[], bool]) -> list[int]:
        """Return the next tokens of the turn; none where it ends here, and `_stop` says why."""
        if self._opening:
            opening, self._opening = self._opening, []
            return opening
        if self._constraint.must_end:
            self._stop = "end"
        elif cancelled():
            self._stop = "cancelled"
        elif len(self._generated) >= self._limit:
            self._stop = "length"
        elif forced := self._accept_forced():
            self._pending += forced
            return forced
        else:
            return self._decode_next(cancelled)
        return []

    def _decode_next(self, cancelled: Callable[[], bool]) -> list[int]:
        """Decode and return one selected token or more; none where the turn ended or was cancelled."""
        context = self._context
        if self._pending:
            guess = self._guess(BATCH - len(self._pending), len(self._pending))
            if not context.decode([*self._pending, *guess], cancelled, outputs=len(guess) + 1):
                self._stop = "cancelled"
                return []
            self._decodes += 1
        draft, guessed = self._draft, len(self._draft) + len(self._next_turn)
        accepted: list[int] = []
        while True:
            logits = context.logits(guessed - len(accepted))
            refused = self._instead_of
            if refused and len(self._generated) == len(refused.tokens):
                logits = logits.copy()
                logits[refused.token] = -np.inf
            token = self._select(logits, self._constraint, self._generated)
            if self._measures_margin and math.isfinite(least := margin(logits, self._constraint, token)):
                self._choices.append((least, len(self._generated), token))
            if token == self._end_token:
                self._stop = "end"
                verified = len(accepted)
                break
            run = [*self._accept([token]), *self._accept_forced()]
            matching = common_length(run, draft[len(accepted) :])
            accepted += run
            verified = len(accepted) - len(run) + matching
            if matching < len(run) or self._constraint.must_end or len(self._generated) >= self._limit:
                break
        if not self._next_turn or verified < len(draft):  # else all that was guessed came
            context.truncate(len(context.tokens) - (guessed - verified))
        self._pending = accepted[verified:]
        self._draft, self._next_turn = [], []
        self._drafted += len(draft)
        self._accepted += verified
        if draft and self._drafter and self._is_drafters:
            self._drafter.learn(verified)
        return accepted

    def _guess(self, room: int, pending: int) -> list[int]:
        """Return a draft, and what follows it where it completes the turn: at most `room` tokens.

        It is decoded with `pending` other tokens.
        """
        following = self._following
        room -= len(following.ids) if following else 0
        self._draft, self._next_turn = self._make_draft(room, pending), []
        if following and self._draft and self._drafter and self._is_drafters and self._drafter.completes:
            text = b"".join(map(self._vocabulary.piece, [*self._generated, *self._draft]))
            if text.endswith(following.ending):
                self._next_turn = following.ids
        return [*self._draft, *self._next_turn]

    def _make_draft(self, room: int, pending: int) -> list[int]:
        """Return at most `room` probable next tokens, as many as the constraint and the limit allow."""
        room = min(room, LONGEST_DRAFT, self._limit - len(self._generated) - 1)
        if not self._drafter or room < 1:
            return []
        draft = self._likely.draft(self._generated) if self._likely else []
        self._is_drafters = not draft
        draft = draft or self._drafter.draft(self._constraint, room, pending)
        if not draft:
            draft = self._vocabulary.tokenize(self._constraint.probable_text(), False)
            if PROBABLE * len(draft) < self._drafter.added_cost(len(draft), pending):
                return []
        return self._constraint.allowed_prefix(draft[:room])

    def _accept_forced(self) -> list[int]:
        """Accept and return the tokens that must come next."""
        accepted: list[int] = []
        while self._jump_forward and not self._constraint.must_end:
            forced = self._constraint.forced_tokens()[: self._limit - len(self._generated)]
            if not forced:
                break
            accepted += self._accept(forced)
        return accepted

    def _accept(self, tokens: list[int]) -> list[int]:
        for token in tokens:
            self._constraint.accept(token)
        if self._drafter:
            self._drafter.extend(tokens)
        self._generated += tokens
        return tokens
