"""Percentile bootstrap intervals (Efron 1979) of means and of ratios of sums."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RESAMPLES = 2000
CONFIDENCE = 0.95


def bootstrap_interval(points: Sequence[float], of: Sequence[float] | None = None) -> tuple[float, float]:
    """Return the interval of sum(points) / sum(of) over resampled pairs; (0, 0) where there are none.

    `of` is 1 for each of `points` by default, so that the ratio is their mean. Resamples whose sum of `of` is
    0 are left out. Always the same for the same values.
    """
    if not points:
        return 0.0, 0.0
    above = np.asarray(points, dtype=np.float64)
    below = np.ones_like(above) if of is None else np.asarray(of, dtype=np.float64)
    chosen = np.random.default_rng(0).integers(0, len(above), (RESAMPLES, len(above)))
    sums = below[chosen].sum(axis=1)
    ratios = above[chosen].sum(axis=1)[sums > 0] / sums[sums > 0]
    if not len(ratios):
        return 0.0, 0.0
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(ratios, (tail, 100 - tail))
    return float(low), float(high)
