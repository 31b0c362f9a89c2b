"""The hold-out: texts of the test split, which are never drawn for training.

Whether a phrasing or a value belongs to the test split depends on its text (a checksum), not on the seed, so
that all training sets exclude the same ones.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Sequence

HELD_OUT_PHRASINGS = 6
"""One phrasing in so many belongs to the test split."""
HELD_OUT_VALUES = 8
"""One value in so many belongs to the test split."""


def held_out(text: str, one_in: int) -> bool:
    """Return whether a text belongs to the test split; one of one or two characters never does."""
    normalized = text.strip().lower()
    return len(normalized) > 2 and zlib.crc32(normalized.encode()) % one_in == 0


class SplitSampler:
    """Random choices of one split: among held-out texts for the split `test`, among others for the rest."""

    def __init__(self, rng: random.Random, split: str) -> None:
        self.rng = rng
        self.is_test = split == "test"

    def chance(self, p: float) -> bool:
        """Return True with probability `p`."""
        return self.rng.random() < p

    def pick(self, pool: Sequence[str], one_in: int = HELD_OUT_VALUES) -> str:
        """Return a text of a pool, from the part of this split (or from all, if that is empty)."""
        own = [text for text in pool if held_out(text, one_in) == self.is_test]
        return self.rng.choice(own or list(pool))

    def value(self, make: Callable[[], str]) -> str:
        """Return the result of `make`, called again until it belongs to this split (at most 60 times)."""
        for _ in range(60):
            text = make()
            if held_out(text, HELD_OUT_VALUES) == self.is_test:
                return text
        return make()
