"""Several LoRA adapters of a role as the one that vLLM loads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from train.model.weights.adapter import LoraAdapter


def join_adapters(adapters: Sequence[LoraAdapter]) -> LoraAdapter:
    """Return the sum of `adapters`, all over one checkpoint, as one of scale 1.

    The ranks are added up, and the scales are multiplied into B.
    """
    rank = sum(adapter.rank for adapter in adapters)
    pairs = {}
    for name in sorted({name for adapter in adapters for name in adapter.pairs}):
        shapes = next(adapter.pairs[name] for adapter in adapters if name in adapter.pairs)
        a = np.zeros((rank, shapes[0].shape[1]), np.float32)
        b = np.zeros((len(shapes[1]), rank), np.float32)
        first = 0
        for adapter in adapters:
            if name in adapter.pairs:
                own_a, own_b = adapter.pairs[name]
                rows = slice(first, first + adapter.rank)
                a[rows], b[:, rows] = own_a, own_b * adapter.scale
            first += adapter.rank
        pairs[name] = a, b
    return LoraAdapter(Path(), 1.0, (), None, pairs)
