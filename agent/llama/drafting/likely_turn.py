"""A draft from a text that the turn probably is, such as the reference turn of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from agent.llama.drafting.prompt_lookup import PromptLookup

_START = -1
"""Stands twice before the text and before the turn: the pair is found at the start of both."""


class LikelyTurn:
    """Guesses that a turn goes on as a text does after the same last tokens."""

    def __init__(self, ids: Sequence[int]) -> None:
        """`ids` are the tokens of the text, without the one that ends the turn."""
        self._ids = [_START, _START, *ids]
        self._lookup = PromptLookup(self._ids)

    def draft(self, turn: Sequence[int]) -> list[int]:
        """Return the tokens of the text after those that `turn` ends with; none where it left the text."""
        position, _ = self._lookup.find([_START, _START, *turn])
        return self._ids[position:] if position else []
