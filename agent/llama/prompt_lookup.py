"""Prompt lookup decoding: draft the tokens that followed the last tokens where they occurred before.

The summarizer copies from observations, line by line. A draft costs little, since llama.cpp verifies several
tokens in one decode, and it does not change the text: only tokens that would be generated anyway are kept.
(Saxena 2023, prompt lookup decoding; a form of speculative decoding, Leviathan et al., arXiv 2211.17192.)
"""

from __future__ import annotations

from collections.abc import Sequence

FIRST_DRAFT = 2
"""Tokens of a first draft: half of the longer ones are wrong, and nine tokens cost four decodes."""
LONGEST_DRAFT = 12
"""Tokens of a draft while a copy goes on."""
_NGRAM_SIZES = (3, 2)
"""How many of the last tokens must have occurred before, the longest first."""


class PromptLookup:
    """An index of the bigrams and trigrams of a prompt and of what is generated after it."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids: list[int] = []
        self._after: dict[tuple[int, ...], int] = {}
        self._newest: list[tuple[tuple[int, ...], int]] = []
        self.extend(ids)

    def extend(self, ids: Sequence[int]) -> None:
        """Append tokens."""
        for token in ids:
            # The last n-grams are entered only once a token follows, so that they never match themselves.
            self._after.update(self._newest)
            self._ids.append(token)
            end = len(self._ids)
            self._newest = [(tuple(self._ids[end - n :]), end) for n in _NGRAM_SIZES if end >= n]

    def draft(self, longest: int = LONGEST_DRAFT) -> list[int]:
        """Return at most `longest` tokens that followed the last tokens at their previous occurrence."""
        for ngram, _ in self._newest:
            if ngram in self._after:
                start = self._after[ngram]
                return self._ids[start : start + longest]
        return []
