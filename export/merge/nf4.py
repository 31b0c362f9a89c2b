"""A weight as a 4-bit base holds it: stored in NF4 by bitsandbytes, and read back a block of rows at a time.

A round trip of the whole weight takes five times its size in float32; this one takes the packed weight and a
block. Blocks of 64 numbers are quantized on their own, so only their scales, which double quantization
shrinks together (QLoRA, arXiv 2305.14314, section 3), have to be seen at once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

GROUP = 64
"""Numbers that share a scale: what bitsandbytes takes by default, and transformers with it."""
_SCALES_GROUP = 256
_KEPT_AS = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}


def rows_together(rows: int, width: int) -> int:
    """How many rows of a weight [rows, width] a block must hold, or a multiple of that.

    All where a row is no multiple of 64 numbers: bitsandbytes 0.50 finds scales by row on a CPU with AVX512
    and takes wrong ones then, which the adapter was trained over. Only toys have such rows.
    """
    return rows if width % GROUP else 1


def nf4_round_trip(
    blocks: Iterable[NDArray[np.float32]], dtype: str, *, double_quant: bool
) -> Iterator[NDArray[np.float32]]:
    """The rows of a weight after bitsandbytes stored them in NF4 and read them back.

    `blocks` are its rows in order, as `rows_together` says. `dtype` (`F32`, `BF16` or `F16`) is what the
    weight was loaded in before it was quantized: what is read back is rounded to that.
    """
    # On a CPU bitsandbytes warns of an optional kernel package as soon as it is imported.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    packed: list[tuple[torch.Tensor, Any]] = [
        quantize_4bit(torch.from_numpy(block), blocksize=GROUP, quant_type="nf4") for block in blocks
    ]
    scales = torch.cat([state.absmax for _, state in packed])
    if double_quant:
        scales = _scales_round_trip(scales)
    taken = 0
    for weights, state in packed:
        count = len(state.absmax)
        state.absmax = scales[taken : taken + count]
        taken += count
        read = dequantize_4bit(weights, state)
        yield (read if dtype == "F32" else read.to(_KEPT_AS[dtype]).float()).numpy()


def _scales_round_trip(scales: torch.Tensor) -> torch.Tensor:
    """Scales after double quantization: 8 bits each around their mean."""
    from bitsandbytes.functional import dequantize_blockwise, quantize_blockwise

    mean = scales.mean()
    stored, state = quantize_blockwise(scales - mean, blocksize=_SCALES_GROUP)
    return dequantize_blockwise(stored, state) + mean
