"""Attention of packed branches on a CPU: without masks, copies of keys, or padding.

A branch reads the prefix whole, and itself causally. The first is one attention of the tokens of all
branches, the second one for each branch; the two softmaxes are joined by their log-sums L: with
w = 1 / (1 + exp(L_own - L_prefix)) the output is w o_prefix + (1 - w) o_own. The backward pass of each part
is that of flash attention (arXiv 2307.08691, algorithm 2) given the joint output and the joint log-sum, as in
ring attention (arXiv 2310.01889). Query heads that share a key head are a batch over it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_forward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


@dataclass(frozen=True)
class Spans:
    """The positions of one packed sequence in a micro-batch."""

    prefix: slice
    branches: tuple[slice, ...]
    """They follow the prefix and each other."""


def branch_attention(
    query: Tensor, key: Tensor, value: Tensor, layout: Sequence[Spans], scale: float | None
) -> Tensor:
    """Return the outputs [T, H, D] of queries [1, H, T, D], for keys and values [1, K, T, D].

    H is a multiple of K. `layout` covers all of T, in order.
    """
    out: Any = _BranchAttention.apply(query, key, value, layout, scale)
    return out


def _grouped(query: Tensor, heads: int) -> Tensor:
    """Return queries [1, H, T, D] as [H / K, K, T, D]: head k * H / K + g reads key head k."""
    return query[0].unflatten(0, (heads, -1)).transpose(0, 1)


def _parts(spans: Spans) -> Iterator[tuple[slice, slice, bool]]:
    """Yield (queries, keys, causal) of each part."""
    if spans.prefix.stop > spans.prefix.start:
        yield spans.prefix, spans.prefix, True
        if spans.branches:
            yield slice(spans.prefix.stop, spans.branches[-1].stop), spans.prefix, False
    for branch in spans.branches:
        yield branch, branch, True


class _BranchAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, layout: Sequence[Spans], scale: float | None
    ) -> Tensor:
        heads, length = key.shape[1:3]
        q = _grouped(query, heads)
        k, v = (part.expand(len(q), -1, -1, -1) for part in (key, value))
        out = query.new_empty(length, query.shape[1], query.shape[3])
        o = _grouped(out.transpose(0, 1)[None], heads)
        sums = query.new_empty(*q.shape[:3], dtype=torch.float32)
        for spans in layout:
            for rows, columns, causal in _parts(spans):
                part, part_sums = _forward(
                    q[:, :, rows], k[:, :, columns], v[:, :, columns], 0.0, causal, scale=scale
                )
                into, into_sums = o[:, :, rows], sums[:, :, rows]
                if causal and rows is not spans.prefix and spans.prefix.stop > spans.prefix.start:
                    weight = torch.sigmoid(part_sums - into_sums).to(part.dtype)[..., None]
                    into.lerp_(part, weight)
                    torch.logaddexp(into_sums, part_sums, out=into_sums)
                else:
                    into.copy_(part)
                    into_sums.copy_(part_sums)
        ctx.save_for_backward(query, key, value, out, sums)
        ctx.layout, ctx.scale = layout, scale
        return out

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, out, sums = ctx.saved_tensors
        [gradient] = grad_outputs
        heads, length = key.shape[1:3]
        q = _grouped(query, heads)
        k, v = (part.expand(len(q), -1, -1, -1) for part in (key, value))
        o, g = (_grouped(part.transpose(0, 1)[None], heads) for part in (out, gradient))
        results = [part.new_zeros(length, part.shape[1], part.shape[3]) for part in (query, key, value)]
        of_query, of_key, of_value = (part.transpose(0, 1)[None] for part in results)
        of_query = _grouped(of_query, heads)
        for spans in ctx.layout:
            for rows, columns, causal in _parts(spans):
                parts = _backward(
                    g[:, :, rows],
                    q[:, :, rows],
                    k[:, :, columns],
                    v[:, :, columns],
                    o[:, :, rows],
                    sums[:, :, rows],
                    0.0,
                    causal,
                    scale=ctx.scale,
                )
                of_query[:, :, rows] += parts[0]
                of_key[:, :, columns] += parts[1].sum(0)
                of_value[:, :, columns] += parts[2].sum(0)
        return (*(part.transpose(0, 1)[None] for part in results), None, None)
