"""Does an unquantized GGUF file say what the torch model says?

Torch's own texts are compared token by token. llama.cpp's logits depend a little on how a prompt is cut into
batches; a position where torch's two best tokens are nearer than ten times that difference could go either
way, so it is set aside and counted. All others must agree. Nor may logits be far off, or most positions
be set aside: what is wrong by a little changes the best token of a model that is sure nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.errors import UmiError
from export.options import Say
from export.progress import ThrottledProgress
from export.proof.gguf_model import open_gguf
from export.proof.reference import Reference

NEAR_TIE = 10.0
"""A margin under this many times llama.cpp's own spread is a near-tie."""
SPREAD_FLOOR = 1e-5
"""The least spread of logits that float32 sums in another order are taken to have."""


FARTHEST = 5e-3
"""How far logits may be off, as a share of the largest one, where they are off by more than near-ties are.

Rotary angles, an epsilon or norms that are wrong by a tenth made 1e-2 and more on small models; the table of
GELU that llama.cpp keeps in half precision makes 1.2e-3.
"""


@dataclass(frozen=True)
class Parity:
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
    largest_logit: float
    """Largest of torch's logits, by its absolute value."""

    @property
    def disagreed(self) -> int:
        """Positions where the best token differs and torch's choice was clear."""
        return self.positions - self.agreed - self.near_ties


def measure_parity(reference: Reference, gguf_file: Path, say: Say, adapter: Path | None = None) -> Parity:
    """Compare a GGUF file in f32, with an activated adapter where there is one, with what torch wrote."""
    spread, largest, scale = SPREAD_FLOOR, 0.0, 0.0
    same, margins = [], []
    progress = ThrottledProgress(say)
    with open_gguf(gguf_file, reference.longest, adapter) as gguf_model:
        for count, written in enumerate(reference, start=1):
            ids, first, adapter_start = written.ids, written.first, written.adapter_start
            ours = gguf_model.logits(ids, first, adapter_start=adapter_start)
            third = max(1, len(ids) // 3)
            cut = gguf_model.logits(ids, first, chunk=third, adapter_start=adapter_start)
            spread = float(np.maximum(spread, np.abs(ours - cut).max()))
            # NumPy's maximum keeps what is not a number, Python's loses it.
            largest = float(np.maximum(largest, np.abs(ours - written.logits).max()))
            scale = float(np.maximum(scale, np.abs(written.logits).max()))
            same.append(ours.argmax(-1) == np.array(written.text))
            best = np.partition(written.logits, -2, axis=-1)[:, -2:]
            margins.append(best[:, 1] - best[:, 0])
            progress(f"{reference.role}: {count} of {len(reference.prompts)} turns compared")
    agrees = np.concatenate(same)
    near = np.concatenate(margins) < NEAR_TIE * spread
    return Parity(
        prompts=len(reference.prompts),
        positions=len(agrees),
        agreed=int((agrees & ~near).sum()),
        near_ties=int(near.sum()),
        spread=spread,
        largest_difference=largest,
        largest_logit=scale,
    )


def require_parity(result: Parity, gguf_file: Path) -> None:
    """Raise UmiError where an f32 file differs from the model it came from, or cannot be proven not to."""
    near = max(FARTHEST * result.largest_logit, NEAR_TIE * SPREAD_FLOOR)
    if not (result.largest_difference <= near and result.spread <= near):
        raise UmiError(
            f"{gguf_file.name} differs from its model: logits of up to {result.largest_logit:.3g} by up to"
            f" {result.largest_difference:.3g}, and by {result.spread:.3g} with how they are read",
            "report this: the conversion is wrong for this architecture",
        )
    if 2 * result.near_ties > result.positions:
        raise UmiError(
            f"{gguf_file.name} cannot be compared with its model: {result.near_ties} of {result.positions}"
            " tokens are near-ties",
            "train longer: the model is sure of nothing",
        )
    if result.disagreed:
        raise UmiError(
            f"{gguf_file.name} differs from its model at {result.disagreed} of {result.positions} tokens"
            f" (logits by up to {result.largest_difference:.3g})",
            "report this: the conversion is wrong for this architecture",
        )
