"""The NF4 round trip of a base's weights in numpy: what QLoRA training added the adapters of a delta to.

Weights are quantized in blocks of 64 numbers of a row to the 16 values of 4-bit NormalFloat, and the blocks'
scales to 8 bits each in groups of 256 (QLoRA, arXiv 2305.14314, section 3 and appendix E). The 8-bit values
are those of the dynamic data type (arXiv 1511.04561), as bitsandbytes lays them out. On a CPU bitsandbytes
chooses among them on a grid of 2^-15, so that a few in a thousand scales come out one step apart there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.bundle.deltas.lora import Rows

BLOCK_SIZE = 64
"""Numbers that share a scale."""
SCALES_BLOCK_SIZE = 256
"""Scales that share a scale of their own."""
SCALE_BITS, DTYPE, ROPE_HEAD = "umi.nf4.scale_bits", "umi.nf4.dtype", "umi.nf4.rope_head"
"""Metadata of a delta over an NF4 base; see `Nf4`. A delta without them is over the base's own weights."""

_DTYPES = ("F32", "BF16", "F16")
_VALUES = np.array(
    [
        -1.0,
        -0.6961928009986877,
        -0.5250730514526367,
        -0.39491748809814453,
        -0.28444138169288635,
        -0.18477343022823334,
        -0.09105003625154495,
        0.0,
        0.07958029955625534,
        0.16093020141124725,
        0.24611230194568634,
        0.33791524171829224,
        0.44070982933044434,
        0.5626170039176941,
        0.7229568362236023,
        1.0,
    ],
    np.float32,
)
"""Quantiles of the normal distribution (arXiv 2305.14314, appendix E)."""
_LEAST = np.float32(1e-38)


@dataclass(frozen=True)
class Nf4:
    """How the base was held while the adapter was trained."""

    double_quant: bool
    """Whether the scales are quantized to 8 bits."""
    dtype: str
    """What a weight was loaded as (F32, BF16 or F16); its dequantized numbers are rounded to that."""
    rope_head: int = 0
    """Rows of a head of attn_q and attn_k where llama.cpp has them in another order than the checkpoint, in
    whose order scales are grouped; 0 where it has not."""

    @property
    def fields(self) -> dict[str, str | int]:
        """The metadata of a delta that says this."""
        fields: dict[str, str | int] = {SCALE_BITS: 8 if self.double_quant else 32, DTYPE: self.dtype}
        return fields | ({ROPE_HEAD: self.rope_head} if self.rope_head else {})

    def round_trip(self, name: str, blocks: Iterable[Rows], again: Iterable[Rows]) -> Iterator[Rows]:
        """Yield the rows of the tensor `name` as NF4 holds them, float32.

        `blocks` and `again` are its rows in order, twice: for the scales, and to be quantized.
        """
        own = np.concatenate([_scales(block) for block in blocks])
        held = self._held_scales(name, own)
        first = 0
        for block in again:
            part = slice(first, first + len(block))
            yield self._rounded(_quantized(block, own[part], held[part]))
            first += len(block)

    def misfit(self, name: str, shape: Sequence[int]) -> str:
        """Return why a tensor cannot be rounded: its rows are not whole blocks or heads. Empty if it can."""
        if shape[-1] % BLOCK_SIZE:
            return f"{name} has rows of {shape[-1]} numbers, no multiple of {BLOCK_SIZE}"
        head = self._head(name)
        return f"{name} has {shape[0]} rows, no multiple of {head}" if head and shape[0] % head else ""

    def _head(self, name: str) -> int:
        """Return the rows of a head whose rows llama.cpp has in another order; 0 for other tensors."""
        return self.rope_head if name.endswith(("attn_q.weight", "attn_k.weight")) else 0

    def _held_scales(self, name: str, scales: Rows) -> Rows:
        """Return scales [rows, blocks of a row] as they are held: 8 bits each around their mean, or whole."""
        if not self.double_quant:
            return scales
        if head := self._head(name):
            pairs = scales.reshape(-1, head // 2, 2, scales.shape[1])
            held = _scales_round_trip(pairs.swapaxes(1, 2).reshape(-1))
            halves = held.reshape(-1, 2, head // 2, scales.shape[1])
            return halves.swapaxes(1, 2).reshape(scales.shape)
        return _scales_round_trip(scales.reshape(-1)).reshape(scales.shape)

    def _rounded(self, rows: Rows) -> Rows:
        if self.dtype == "F16":
            return rows.astype(np.float16).astype(np.float32)
        if self.dtype == "BF16":
            bits = rows.view(np.uint32)
            even = (bits >> 16) & 1
            return ((bits + 0x7FFF + even) & 0xFFFF0000).astype(np.uint32).view(np.float32)
        return rows


def is_quantized(name: str, shape: Sequence[int]) -> bool:
    """Return whether training holds a tensor in 4 bits: a layer's matrix, by llama.cpp's `name`."""
    return name.startswith("blk.") and len(shape) == 2


def read_nf4(fields: Mapping[str, Any]) -> Nf4 | None:
    """Return how the base of a delta is held, from its metadata (gguf.ReaderField by key); None for as it is.

    Raise ValueError for values that mean nothing.
    """
    if SCALE_BITS not in fields:
        return None
    bits, dtype = fields[SCALE_BITS].contents(), fields[DTYPE].contents() if DTYPE in fields else ""
    head = fields[ROPE_HEAD].contents() if ROPE_HEAD in fields else 0
    if bits not in (8, 32) or dtype not in _DTYPES or type(head) is not int or head < 0 or head % 2:
        raise ValueError(f"{SCALE_BITS} is {bits!r}, {DTYPE} {dtype!r}, {ROPE_HEAD} {head!r}")
    return Nf4(bits == 8, dtype, head)


def _scales(rows: Rows) -> Rows:
    """Return the largest absolute number of each block of `rows`."""
    return np.abs(rows.reshape(len(rows), -1, BLOCK_SIZE)).max(-1)


def _quantized(rows: Rows, own: Rows, held: Rows) -> Rows:
    """Return `rows` quantized with their own scales and dequantized with those that are held."""
    blocks = rows.reshape(len(rows), -1, BLOCK_SIZE)
    scaled = np.clip(blocks * (1 / np.maximum(own, _LEAST))[:, :, None], -1, 1)
    nearest = np.searchsorted((_VALUES[:-1] + _VALUES[1:]) / 2, scaled)
    return (_VALUES[nearest] * held[:, :, None]).reshape(rows.shape)


def _scales_round_trip(scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return scales as 8 bits each around their mean hold them.

    The mean is the exact sum's, so that it does not depend on the order in which a processor adds.
    """
    mean = np.float32(math.fsum(scales.tolist()) / len(scales))
    padded = np.zeros(-(-len(scales) // SCALES_BLOCK_SIZE) * SCALES_BLOCK_SIZE, np.float32)
    padded[: len(scales)] = scales - mean
    groups = padded.reshape(-1, SCALES_BLOCK_SIZE)
    largest = np.abs(groups).max(-1, keepdims=True)
    values = _dynamic_values()
    scaled = np.clip(groups * (1 / np.maximum(largest, _LEAST)), -1, 1)
    nearest = np.searchsorted((values[:-1] + values[1:]) / 2, scaled)
    return (values[nearest] * largest).reshape(-1)[: len(scales)] + mean


@cache
def _dynamic_values() -> NDArray[np.float32]:
    """Return the 256 values of the signed dynamic data type, in order (arXiv 1511.04561, section 2.1).

    2^i means of equal parts of [0.1, 1] are scaled by 10^(i - 6) for i of 0 to 6, with both signs; 0 and 1
    are added.
    """
    values = [0.0, 1.0]
    for exponent in range(7):
        bounds = np.linspace(0.1, 1, 2**exponent + 1)
        means = (bounds[:-1] + bounds[1:]) / 2
        for sign in (1, -1):
            values += (sign * 10.0 ** (exponent - 6) * means).tolist()
    return np.sort(np.array(values, np.float32))
