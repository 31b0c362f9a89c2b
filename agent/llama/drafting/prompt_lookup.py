"""Prompt lookup: guess the token that followed the last tokens where they occurred before.

The summarizer copies from observations, the caller from the question and the thought. (Saxena 2023, prompt
lookup decoding.)
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.prompting.encoding import common_length

LONGEST_MATCH = 8
"""Tokens that a match is compared back to, at most."""
_NGRAM_SIZES = (3, 2)
"""How many of the last tokens must have occurred before, the longest first."""


class PromptLookup:
    """An index of the bigrams and trigrams of a token sequence, which grows and is cut back."""

    def __init__(self, ids: Sequence[int] = ()) -> None:
        self._ids: list[int] = []
        self._after: dict[tuple[int, ...], int] = {}
        """The position after the last occurrence of an n-gram; wrong where the sequence was cut since."""
        self._newest: list[tuple[tuple[int, ...], int]] = []
        self.extend(ids)

    def reset(self, ids: Sequence[int]) -> None:
        """Make `ids` the sequence; what it has in common with the present one is not indexed again."""
        kept = common_length(self._ids, ids)
        del self._ids[kept:]
        self._newest = [entry for entry in self._newest if entry[1] <= kept]
        self.extend(ids[kept:])

    def extend(self, ids: Sequence[int]) -> None:
        """Append tokens."""
        for token in ids:
            # The last n-grams are entered only once a token follows, so that they never match themselves.
            self._after.update(self._newest)
            self._ids.append(token)
            end = len(self._ids)
            self._newest = [(tuple(self._ids[end - n :]), end) for n in _NGRAM_SIZES if end >= n]

    def find(self, draft: Sequence[int] = ()) -> tuple[int, int]:
        """Return a position whose token followed the last tokens before, and how many tokens match.

        The last tokens are those of the sequence followed by `draft`. (0, 0) where none matches.
        """
        tail = [*self._ids[-LONGEST_MATCH:], *draft][-LONGEST_MATCH:]
        for n in _NGRAM_SIZES:
            position = self._after.get(tuple(tail[-n:]), 0) if len(tail) >= n else 0
            if 0 < position < len(self._ids) and (matching := self._matching(tail, position)) >= n:
                return position, matching
        return 0, 0

    def token(self, position: int) -> int | None:
        """Return the token at `position`, None after the end."""
        return self._ids[position] if position < len(self._ids) else None

    def _matching(self, tail: Sequence[int], position: int) -> int:
        before = self._ids[max(0, position - len(tail)) : position]
        return common_length(tail[::-1], before[::-1])
