"""Writing a text that is known beforehand, for measurements: the work is that of a model that says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.errors import EngineError
from agent.llama.constraints import Constraint
from agent.llama.decoding import Choose
from agent.llama.model import Vocabulary


@dataclass(frozen=True)
class ForcedDecoding:
    """A turn's `text`. With `jump` it is written as umi writes, what is forced or guessed in one decode, else
    token by token."""

    text: str
    jump: bool = False

    def choose(self, vocabulary: Vocabulary, end: int) -> Choose:
        """Takes the text's tokens in the place of the likeliest ones, at the same cost, and then `end`.

        Raises EngineError where the constraint does not allow the text.
        """
        ids = [*vocabulary.tokenize(self.text, False), end]

        def token(logits: NDArray[np.float32], constraint: Constraint, written: Sequence[int]) -> int:
            int(logits.argmax())
            done = len(written)
            known = ids[done] if ids[:done] == written else self._after(vocabulary, written, end)
            if not constraint.allows(known):
                raise EngineError(f"the constraint does not allow {self.text!r} after {done} tokens")
            return known

        return token

    def _after(self, vocabulary: Vocabulary, written: Sequence[int], end: int) -> int:
        """The next token where the constraint's forced tokens cut the text in other places."""
        said = b"".join(map(vocabulary.piece, written))
        rest = self.text.encode("utf-8").removeprefix(said).decode("utf-8", "replace")
        return [*vocabulary.tokenize(rest, False), end][0]
