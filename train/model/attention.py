"""Attention over packed sequences that computes only unmasked scores.

Of T x T scores most are masked: the branches of `train.model.packing` do not see each other. Here the prefix
is one causal attention and the branches are a batch, each over prefix + itself. At 600 prefix tokens and ten
branches of 150 that is under a third of the operations, and several sequences fit one micro-batch without
padding. It is registered with transformers under `NAME`, for any model whose layers call its attention
interface (Qwen2, Qwen3, Llama, SmolLM3, Granite, Gemma 3 and others); sliding windows are honoured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from train.model.kernels.branch_attention import Spans, branch_attention
from train.model.packing import IGNORE, PREFIX, Packed

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME = "umi_branches"
BUCKET = 5
"""Branches of similar length that attend together. Fewer mean less padding, more mean fewer calls."""


@dataclass(frozen=True)
class Bucket:
    """B neighbouring branches of similar length, as rows of L tokens."""

    rows: Tensor
    """Int64 [B * L]: positions in the batch of each branch's tokens; short branches repeat their last."""
    flat: Tensor
    """Int64 [tokens of all branches]: their indices in `rows`, without the repetitions."""
    count: int
    """Branches, B."""
    visible: Tensor
    """Bool [L, prefix + L]: the positions that token i of any branch attends to."""


@dataclass(frozen=True)
class Tree:
    """The positions of one packed sequence in a micro-batch: its prefix and its branches."""

    start: int
    """The first position of the prefix in the micro-batch."""
    prefix: int
    """Tokens of the prefix."""
    buckets: tuple[Bucket, ...]
    spans: Spans


@dataclass(frozen=True)
class PackedBatch:
    """A model's inputs for concatenated packed sequences without padding, T tokens, and their layout."""

    input_ids: Tensor
    """Int64 [1, T]."""
    position_ids: Tensor
    """Int64 [1, T]."""
    targets: Tensor
    """Int64 [T]: the token to predict after each position, or `IGNORE`."""
    layout: tuple[Tree, ...]


def layout_of(packed: Packed, start: int, device: torch.device) -> Tree:
    """Return the layout of one packed sequence that begins at position `start` of a micro-batch."""
    sizes = np.bincount(packed.branch_ids)
    prefix, branches = int(sizes[PREFIX]), sizes[PREFIX + 1 :]
    first = start + prefix + np.cumsum(branches) - branches
    groups = [slice(at, at + BUCKET) for at in range(0, len(branches), BUCKET)]
    buckets = tuple(_bucket(first[group], branches[group], prefix, device) for group in groups)
    branch_spans = tuple(slice(int(at), int(at + size)) for at, size in zip(first, branches, strict=True))
    return Tree(start, prefix, buckets, Spans(slice(start, start + prefix), branch_spans))


def _bucket(first: NDArray[Any], lengths: NDArray[Any], prefix: int, device: torch.device) -> Bucket:
    steps = np.arange(int(lengths.max()))
    rows = first[:, None] + np.minimum(steps[None], lengths[:, None] - 1)
    flat = np.flatnonzero(steps[None] < lengths[:, None])
    own = torch.ones(len(steps), len(steps), dtype=torch.bool, device=device).tril()
    return Bucket(
        torch.from_numpy(rows.reshape(-1)).to(device),
        torch.from_numpy(flat).to(device),
        len(lengths),
        torch.cat([own.new_ones(len(steps), prefix), own], dim=1),
    )


def collate(sequences: Sequence[Packed], device: torch.device | str = "cpu") -> PackedBatch:
    """Concatenate `sequences` into one batch without padding."""
    device = torch.device(device)
    ids, positions, targets = (
        torch.from_numpy(np.concatenate([getattr(s, name) for s in sequences])).to(device)
        for name in ("input_ids", "position_ids", "targets")
    )
    starts = np.cumsum([0, *(len(s) for s in sequences[:-1])])
    layout = tuple(layout_of(s, int(at), device) for s, at in zip(sequences, starts, strict=True))
    return PackedBatch(ids[None], positions[None], targets, layout)


def hidden_states(body: Any, batch: PackedBatch) -> Tensor:
    """Return the last hidden states [T, width] of `body`, the `model.model` of an enabled model."""
    out = body(
        input_ids=batch.input_ids, position_ids=batch.position_ids, use_cache=False, layout=batch.layout
    )
    return out.last_hidden_state[0]


def logits_at(model: Any, batch: PackedBatch, positions: Tensor) -> Tensor:
    """Return the logits [N, vocabulary] of `model`, on which `enable` was called, at N positions.

    The model's own forward computes them, with its scale or soft cap where it has one.
    """
    out = model(
        input_ids=batch.input_ids,
        position_ids=batch.position_ids,
        use_cache=False,
        layout=batch.layout,
        logits_to_keep=positions,
    )
    return out.logits[0]


def has_plain_head(model: Any) -> bool:
    """Return whether the logits of `model`, on which `enable` was called, are just its head's outputs.

    Some models scale or cap them.
    """
    head = model.get_output_embeddings()
    if not isinstance(head, torch.nn.Linear):
        return False
    tokens = np.arange(4)
    packed = Packed(tokens, tokens, np.full(4, PREFIX), np.full(4, IGNORE))
    batch = collate([packed], model.device)
    with torch.no_grad():
        logits = logits_at(model, batch, torch.arange(4, device=model.device))
        outputs = head(hidden_states(model.base_model, batch))
    return torch.allclose(outputs.float(), logits.float(), rtol=1e-3, atol=1e-3 * float(logits.float().std()))


def enable(model: Any) -> None:
    """Make a transformers model attend by `PackedBatch.layout`."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, attend)
    model.config._attn_implementation = NAME


def attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    layout: Sequence[Tree],
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend as transformers' attention interface asks: queries [1, H, T, D] to outputs [1, T, H, D].

    T is split as `layout` says. With `sliding_window` a position reads itself and the `sliding_window - 1`
    before it. Raise ValueError where scores are capped (`softcap`) or have sinks (`s_aux`), which torch's
    fused attention cannot do.
    """
    if softcap is not None or s_aux is not None:
        raise ValueError(f"its attention has {'capped scores' if s_aux is None else 'sinks'}")
    if query.device.type == "cpu" and not dropout and sliding_window is None:
        if torch.is_autocast_enabled("cpu"):
            dtype = torch.get_autocast_dtype("cpu")
            query, key, value = (part.to(dtype) for part in (query, key, value))
        return branch_attention(query, key, value, [tree.spans for tree in layout], scaling)[None], None
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (part.repeat_interleave(groups, dim=1) for part in (key, value))
    out: list[Tensor] = []
    for tree in layout:
        before = slice(tree.start, tree.start + tree.prefix)
        q0, k0, v0 = (part[:, :, before] for part in (query, key, value))
        if tree.prefix:
            mask = prefix_mask(tree.prefix, sliding_window, query.device)
            seen = scaled_dot_product_attention(
                q0, k0, v0, mask, is_causal=mask is None, scale=scaling, dropout_p=dropout
            )
            out.append(seen[0].transpose(0, 1))
        for bucket in tree.buckets:
            q, k, v = (by_branch(part, bucket) for part in (query, key, value))
            k = torch.cat([k0.expand(bucket.count, -1, -1, -1), k], dim=2)
            v = torch.cat([v0.expand(bucket.count, -1, -1, -1), v], dim=2)
            if sliding_window is None and q.shape[2] > tree.prefix:
                # Plain causal attention needs no mask, and is so much faster that a short prefix is best
                # computed once more: on branches without a shared list a step takes 0.75 times as long.
                q = torch.cat([q0.expand(bucket.count, -1, -1, -1), q], dim=2)
                seen = scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling, dropout_p=dropout)
                seen = seen[:, :, tree.prefix :]
            else:
                mask = within(bucket.visible, sliding_window)
                seen = scaled_dot_product_attention(q, k, v, mask, scale=scaling, dropout_p=dropout)
            out.append(seen.transpose(1, 2).flatten(0, 1).index_select(0, bucket.flat))
    return torch.cat(out)[None], None


def prefix_mask(length: int, window: int | None, device: torch.device) -> Tensor | None:
    """Return the mask of a prefix, bool [length, length]; None where it is plainly causal."""
    if window is None or window >= length:
        return None
    return within(torch.ones(length, length, dtype=torch.bool, device=device).tril(), window)


def within(visible: Tensor, window: int | None) -> Tensor:
    """Return `visible` [L, K] without keys `window` or more positions back; row L - 1 is position K - 1."""
    if window is None or window >= visible.shape[1]:
        return visible
    return visible.triu(visible.shape[1] - visible.shape[0] - window + 1)


def by_branch(part: Tensor, bucket: Bucket) -> Tensor:
    """Return [B, H, L, D], the tokens of a bucket's branches, from `part` [1, H, T, D]."""
    rows = part[0].index_select(1, bucket.rows)
    return rows.unflatten(1, (bucket.count, -1)).transpose(0, 1)
