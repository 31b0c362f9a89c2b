"""Parity of an unquantized GGUF file with its torch model: the same best token at every generated position.

llama.cpp's logits depend slightly on how a prompt is split into batches. A position where the margin between
torch's two best tokens is under ten times that difference is a near-tie: it is counted, and excluded. All
other positions must agree. Logits must also be close to torch's, and most positions no near-ties: a small
error in the conversion does not change the best token of a confident model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.errors import UmiError
from agent.llama.binding.gguf_model import open_gguf
from export.options import Say
from export.progress import ThrottledProgress
from export.proof.reference import Reference

NEAR_TIE = 10.0
"""A margin between the two best tokens under this many times llama.cpp's spread is a near-tie."""
MIN_SPREAD = 1e-5
"""Minimum of the spread of logits, to account for float32 sums in another order."""
MAX_RELATIVE_DIFFERENCE = 5e-3
"""The largest difference of logits that is accepted, as a share of the largest logit.

On small models an error of a tenth in rotary angles, an epsilon or norms makes 1e-2 and more; llama.cpp's
table of GELU in half precision makes 1.2e-3.
"""


@dataclass(frozen=True)
class Parity:
    """How an unquantized GGUF file compares with the torch model it came from."""

    prompts: int
    """Prompts after which a turn was compared."""
    positions: int
    """Generated tokens that were compared."""
    agreed: int
    """Positions where both rank the same token first, without near-ties."""
    near_ties: int
    """Positions that are excluded, whether their tokens agree or not."""
    spread: float
    """Largest difference between llama.cpp's logits for the same tokens split into batches in two ways."""
    largest_difference: float
    """Largest difference between llama.cpp's and torch's logits."""
    largest_logit: float
    """Largest absolute value of torch's logits."""

    @property
    def disagreed(self) -> int:
        """Positions where the best token differs and that are not near-ties."""
        return self.positions - self.agreed - self.near_ties


def measure_parity(reference: Reference, gguf_file: Path, say: Say, adapter: Path | None = None) -> Parity:
    """Compare an f32 GGUF file, with an activated `adapter` if given, with torch's reference turns."""
    spread, largest_difference, largest_logit = MIN_SPREAD, 0.0, 0.0
    same_best, margins = [], []
    progress = ThrottledProgress(say)
    with open_gguf(gguf_file, reference.longest, adapter) as gguf_model:
        for count, turn in enumerate(reference, start=1):
            ids, first, adapter_start = turn.ids, turn.first, turn.adapter_start
            logits = gguf_model.logits(ids, first, adapter_start=adapter_start)
            third = max(1, len(ids) // 3)
            split_logits = gguf_model.logits(ids, first, chunk=third, adapter_start=adapter_start)
            # NumPy's maximum propagates NaN, Python's does not.
            spread = float(np.maximum(spread, np.abs(logits - split_logits).max()))
            difference = np.abs(logits - turn.logits).max()
            largest_difference = float(np.maximum(largest_difference, difference))
            largest_logit = float(np.maximum(largest_logit, np.abs(turn.logits).max()))
            same_best.append(logits.argmax(-1) == np.array(turn.text))
            top_two = np.partition(turn.logits, -2, axis=-1)[:, -2:]
            margins.append(top_two[:, 1] - top_two[:, 0])
            progress(f"{reference.role}: {count} of {len(reference.prompts)} turns compared")
    agrees = np.concatenate(same_best)
    near_tie = np.concatenate(margins) < NEAR_TIE * spread
    return Parity(
        prompts=len(reference.prompts),
        positions=len(agrees),
        agreed=int((agrees & ~near_tie).sum()),
        near_ties=int(near_tie.sum()),
        spread=spread,
        largest_difference=largest_difference,
        largest_logit=largest_logit,
    )


def require_parity(result: Parity, gguf_file: Path) -> None:
    """Raise UmiError if an f32 file differs from its torch model, or if too many positions are near-ties."""
    tolerance = max(MAX_RELATIVE_DIFFERENCE * result.largest_logit, NEAR_TIE * MIN_SPREAD)
    if not (result.largest_difference <= tolerance and result.spread <= tolerance):
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
