"""Does an unquantized GGUF file say what the torch model says?

Torch's own texts are compared token by token. llama.cpp's logits depend a little on how a prompt is cut into
batches; a position where torch's two best tokens are nearer than ten times that difference could go either
way, so it is set aside and counted. All others must agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.errors import UmiError
from export.native import opened
from export.options import Say
from export.progress import Ticker
from export.reference import Reference

NEAR_TIE = 10.0
"""A margin under this many times llama.cpp's own spread is a near-tie."""
SPREAD_FLOOR = 1e-5
"""The least spread of logits that float32 sums in another order are taken to have."""


@dataclass(frozen=True)
class Agreement:
    """How an unquantized GGUF file compares with the torch model it came from."""

    prompts: int
    positions: int
    """Generated tokens that were compared."""
    agreed: int
    near_ties: int
    """Positions set aside; not among `agreed`."""
    spread: float
    """Largest difference between llama.cpp's logits for two ways of cutting the same tokens."""
    largest_difference: float
    """Largest difference between llama.cpp's and torch's logits."""

    @property
    def disagreed(self) -> int:
        """Positions where the best token differs and torch's choice was clear."""
        return self.positions - self.agreed - self.near_ties


def compare_exactly(
    reference: Reference, gguf_file: Path, say: Say, adapter: Path | None = None
) -> Agreement:
    """Compare a GGUF file in f32, with an activated adapter where there is one, with what torch wrote."""
    spread, largest = SPREAD_FLOOR, 0.0
    same, margins = [], []
    tick = Ticker(say)
    with opened(gguf_file, reference.longest, adapter) as native:
        for count, written in enumerate(reference, start=1):
            active = len(written.prompt.ids) - reference.header if reference.header else None
            ours = native.logits(written.ids, written.first, active=active)
            third = max(1, len(written.ids) // 3)
            cut = native.logits(written.ids, written.first, chunk=third, active=active)
            spread = max(spread, float(np.abs(ours - cut).max()))
            largest = max(largest, float(np.abs(ours - written.logits).max()))
            same.append(ours.argmax(-1) == np.array(written.text))
            best = np.partition(written.logits, -2, axis=-1)[:, -2:]
            margins.append(best[:, 1] - best[:, 0])
            tick(f"{reference.role}: {count} of {len(reference.prompts)} turns compared")
    agrees = np.concatenate(same)
    near = np.concatenate(margins) < NEAR_TIE * spread
    return Agreement(
        prompts=len(reference.prompts),
        positions=len(agrees),
        agreed=int((agrees & ~near).sum()),
        near_ties=int(near.sum()),
        spread=spread,
        largest_difference=largest,
    )


def require_agreement(result: Agreement, gguf_file: Path) -> None:
    """Raise UmiError where an f32 file differs from the model it came from."""
    if result.disagreed:
        raise UmiError(
            f"{gguf_file.name} differs from its model at {result.disagreed} of {result.positions} tokens"
            f" (logits by up to {result.largest_difference:.3g})",
            "report this: the conversion is wrong for this architecture",
        )
