"""Prompt lookup: guess that what is being written goes on as it did where it stood before.

The summarizer copies from observations, line by line. A guess costs little,
since llama.cpp checks several tokens in one decode, and changes nothing: only tokens that would have been
written anyway are kept. (Saxena 2023, prompt lookup decoding; a form of speculative decoding, Leviathan et
al. 2023, with the prompt as the draft model.)
"""

from __future__ import annotations

from collections.abc import Sequence

FIRST_DRAFT = 2
"""Tokens guessed at first: half of the longer first guesses are wrong, and nine tokens cost four decodes."""
LONGEST_DRAFT = 12
"""Tokens guessed at a time while a copy goes on."""
_SIZES = (3, 2)
"""How many of the last tokens must have stood there before, the longest first."""


class PromptLookup:
    """The tokens of a prompt and of what follows it, indexed by every run of two and three."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids: list[int] = []
        self._after: dict[tuple[int, ...], int] = {}
        self._newest: list[tuple[tuple[int, ...], int]] = []
        self.extend(ids)

    def extend(self, ids: Sequence[int]) -> None:
        """Append tokens."""
        for token in ids:
            # The last run is entered only once something follows it, so that it never finds itself.
            self._after.update(self._newest)
            self._ids.append(token)
            end = len(self._ids)
            self._newest = [(tuple(self._ids[end - n :]), end) for n in _SIZES if end >= n]

    def draft(self, longest: int = LONGEST_DRAFT) -> list[int]:
        """At most `longest` tokens that followed the last tokens when they stood there last."""
        for run, _ in self._newest:
            if run in self._after:
                start = self._after[run]
                return self._ids[start : start + longest]
        return []
