"""Drafting: the likeliest next tokens of a turn, from the role's n-gram table and the text so far.

Every token is guessed by the source that is surer of it, each by its longest match. A draft ends where it
would be accepted up to there too seldom to be worth a place in the decode, and how sure a source is follows
from what was accepted of its guesses lately. (Speculative decoding, Leviathan et al. 2023, arXiv 2211.17192.)
"""

from __future__ import annotations

from typing import Literal, Protocol, Self

from agent.llama.binding.measured import DecodeCost
from agent.llama.drafting.ngram_table import NgramTable
from agent.llama.drafting.prompt_lookup import LONGEST_MATCH, PromptLookup

LEAST_CHANCE = 0.5
"""A draft goes on while all of it is accepted with this chance. Where one more token costs 0.15 to 0.2 of a
decode, ten after a wrong one cost two decodes, and ending the draft before an uncertain one costs one."""
SURE_END = 0.7
"""A draft that completes its turn is decoded with the next header where it is accepted with this chance. The
7 tokens of that header cost 1.2 decodes where it is not; where it is, 0.8 of a decode is saved."""
PROBABLE = 0.8
"""Share of the tokens of a constraint's probable text that is taken to be accepted."""
LONGEST_DRAFT = 24
"""Tokens of a draft: it fits into the decode of a prompt's end."""
_FORGETTING = 0.3
"""Weight of the newest outcome in the running rate of acceptance."""
_MOST_SURE = 1.4
"""What that rate tends to where everything is accepted."""
_MOST_LOOKED_UP = 0.9
"""Chance of a guess by prompt lookup, at most: where the table is surer than that, it is right."""
_UNSURE = 0.55
"""Chance of a guess by prompt lookup with the shortest match, before any was verified."""
_PER_TOKEN = 0.07
"""What each more token of a match adds to it."""

USUAL_COST = DecodeCost()

Source = Literal["table", "lookup", "grammar"]


class Grammar(Protocol):
    """What a draft asks of the constraint of a turn."""

    @property
    def must_end(self) -> bool:
        """Whether no token can be appended."""
        ...

    def fork(self) -> Self:
        """Return one at the same position, which is advanced apart from this one."""
        ...

    def allows(self, token: int) -> bool:
        """Return whether `token` may come next."""
        ...

    def accept(self, token: int) -> None:
        """Append `token`."""
        ...

    def forced_tokens(self) -> list[int]:
        """Return the tokens that must come next, without accepting them."""
        ...


class Drafter:
    """Guesses the tokens of one turn. Either source may be missing."""

    def __init__(
        self,
        lookup: PromptLookup | None,
        table: NgramTable | None,
        start: int,
        end_token: int,
        cost: DecodeCost = USUAL_COST,
    ) -> None:
        """`start` stands for the start of the turn in `table`; `lookup` holds the prompt."""
        self._cost = cost
        self._lookup = lookup
        self._table = table
        self._end_token = end_token
        self._turn = [start]
        self._rates: dict[Source, float] = {"table": 1.0, "lookup": 1.0, "grammar": 1.0}
        """How sure to be of a source, by what was accepted of its guesses lately; 1 at the beginning."""
        self._sources: list[Source] = []
        """Of the tokens of the last draft."""
        self.completes = False
        """Whether nothing can follow the last draft in its turn, and it is as sure as SURE_END."""

    def extend(self, tokens: list[int]) -> None:
        """Append tokens that the turn has now."""
        self._turn += tokens
        if self._lookup:
            self._lookup.extend(tokens)

    def draft(self, constraint: Grammar, longest: int, pending: int = 1) -> list[int]:
        """Return at most `longest` tokens that may follow; the end of the turn is not among them.

        They are as many as save the most time beside `pending` tokens that are decoded anyhow, none where
        they save nothing: each accepted token saves a decode. `constraint` stands at the end of the turn and
        stays there.
        """
        self._sources, self.completes = [], False
        best, saved, accepted = 0, 0.0, 0.0
        draft: list[int] = []
        turn, following, chance = list(self._turn), 0, 1.0
        fork: Grammar | None = None
        while len(draft) < longest:
            token, sure, source, following = self._guess(turn, draft, following)
            chance *= sure
            if token == self._end_token or chance < LEAST_CHANCE:
                break
            fork = fork or constraint.fork()
            if not fork.allows(token):
                break
            fork.accept(token)
            run = [token, *fork.forced_tokens()]
            for forced in run[1:]:
                fork.accept(forced)
            following = following if len(run) == 1 else 0
            draft += run
            turn += run
            self._sources.append(source)
            self._sources.extend("grammar" for _ in run[1:])
            accepted += chance * len(run)
            if (saving := accepted - self.added_cost(len(draft), pending)) > saved:
                best, saved = len(draft), saving
            if fork.must_end:
                break
        whole = best == len(draft) <= longest and fork is not None and fork.must_end
        self.completes = whole and chance >= SURE_END
        del self._sources[best:]
        return draft[: min(best, longest)]

    def added_cost(self, drafted: int, pending: int) -> float:
        """Return what `drafted` tokens add to a decode of `pending` others, in decodes of one token."""
        return self._cost.of(pending + drafted) - self._cost.of(pending)

    def learn(self, accepted: int) -> None:
        """Take note that the first `accepted` tokens of the last draft were right, and the next was not."""
        for index, source in enumerate(self._sources[: accepted + 1]):
            outcome = _MOST_SURE if index < accepted else 0.0
            self._rates[source] += _FORGETTING * (outcome - self._rates[source])

    def _guess(self, turn: list[int], draft: list[int], following: int) -> tuple[int, float, Source, int]:
        """Return a token, its chance, its source, and the position that a copy goes on at (0 for none)."""
        token, chance = self._table.next(turn) if self._table else (0, 0.0)
        chance *= min(1.0, self._rates["table"])
        if self._lookup is None:
            return token, chance, "table", 0
        position, matching = (following, LONGEST_MATCH) if following else self._lookup.find(draft)
        copied = self._lookup.token(position) if position else None
        if copied is None:
            return token, chance, "table", 0
        sure = min(_MOST_LOOKED_UP, (_UNSURE + _PER_TOKEN * (matching - 2)) * self._rates["lookup"])
        if sure > chance:
            return copied, sure, "lookup", position + 1
        return token, chance, "table", position + 1 if copied == token else 0
