"""The arithmetic of a LoRA merge: W + scale * B @ A (arXiv 2106.09685), the same bits on every processor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]

_BLOCK = 1 << 16
"""Numbers updated at once: two arrays of 256 KB stay in a processor's cache."""


def add_lora(rows: Rows, first: int, scale: float, a: Rows, b: Rows) -> None:
    """Add scale * B @ A to `rows` [n, inputs] of a weight [outputs, inputs], in place.

    `rows` begin at row `first`; A is [rank, inputs], B [outputs, rank]. The products are summed in the order
    of the rank, each operation rounded to float32. A BLAS library sums in an order that depends on the
    processor, and files that are merged on two machines would differ.
    """
    height = max(1, _BLOCK // max(1, rows.shape[1]))
    update, product = np.empty((2, min(height, len(rows)), rows.shape[1]), np.float32)
    for start in range(0, len(rows), height):
        block = rows[start : start + height]
        columns = b[first + start : first + start + len(block)].T[:, :, None]
        total, term = update[: len(block)], product[: len(block)]
        np.multiply(columns[0], a[0], out=total)
        for column, row in zip(columns[1:], a[1:], strict=True):
            np.multiply(column, row, out=term)
            total += term
        total *= np.float32(scale)
        block += total
