"""The NF4 round trip of a weight: quantized by bitsandbytes and dequantized, a block of rows at a time.

A round trip of the whole weight takes five times its size in float32; this one takes the packed weight and a
block. Blocks of 64 numbers are quantized on their own, so only their scales, which double quantization
shrinks together (QLoRA, arXiv 2305.14314, section 3), have to be seen at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from train.model.loading import silence_bitsandbytes

BLOCK_SIZE = 64
"""Numbers that share a scale: the default of bitsandbytes, and of transformers with it."""
_SCALES_BLOCK_SIZE = 256
_TORCH_TYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}


def row_multiple(rows: int, width: int) -> int:
    """Return the count of which the rows in a block of a weight [rows, width] must be a multiple.

    That is all rows if `width` is not a multiple of 64: bitsandbytes 0.50 then computes wrong scales on a CPU
    with AVX512, which the adapter was trained over. Only toy models have such widths.
    """
    return rows if width % BLOCK_SIZE else 1


def nf4_round_trip(
    blocks: Iterable[NDArray[np.float32]], dtype: str, *, double_quant: bool
) -> Iterator[NDArray[np.float32]]:
    """Yield the rows of a weight after bitsandbytes quantized them to NF4 and dequantized them, float32.

    `blocks` are its rows in order, as `row_multiple` says. `dtype` (`F32`, `BF16` or `F16`) is the type that
    the weight was loaded in before it was quantized: what is dequantized is rounded to that.
    """
    silence_bitsandbytes()
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    packed: list[tuple[torch.Tensor, Any]] = [
        quantize_4bit(torch.from_numpy(block), blocksize=BLOCK_SIZE, quant_type="nf4") for block in blocks
    ]
    scales = torch.cat([state.absmax for _, state in packed])
    if double_quant:
        scales = _scales_round_trip(scales)
    first = 0
    for weights, state in packed:
        count = len(state.absmax)
        state.absmax = scales[first : first + count]
        first += count
        rows = dequantize_4bit(weights, state)
        yield (rows if dtype == "F32" else rows.to(_TORCH_TYPES[dtype]).float()).numpy()


def _scales_round_trip(scales: torch.Tensor) -> torch.Tensor:
    """Return scales after double quantization: 8 bits each around their mean."""
    from bitsandbytes.functional import dequantize_blockwise, quantize_blockwise

    mean = scales.mean()
    stored, state = quantize_blockwise(scales - mean, blocksize=_SCALES_BLOCK_SIZE)
    return dequantize_blockwise(stored, state) + mean
