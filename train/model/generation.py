"""What the model that is being trained writes by itself: greedy, in batches, with a key-value cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from train.model.kv_cache import forward_cached
from train.model.lora import LoraModel


def generate(
    model: LoraModel, prompts: Sequence[Sequence[int]], end: int, most: int, *, max_tokens: int = 4096
) -> list[list[int]]:
    """What `model` likes best after each prompt: at most `most` ids, up to `end` and without it.

    A batch holds prompts of similar length, padded on the left, and at most `max_tokens` tokens with what is
    written; one prompt that is longer makes a batch of its own. An activated adapter is on from the header
    that ends each prompt. The model is left as it was, also when interrupted.
    """
    said: list[list[int]] = [[] for _ in prompts]
    if most < 1:
        return said
    with model.speaking() as causal:
        for chosen in batches([len(prompt) for prompt in prompts], most, max_tokens):
            for at, ids in zip(
                chosen, _write(model, causal, [prompts[i] for i in chosen], end, most), strict=True
            ):
                said[at] = ids
    return said


def batches(lengths: Sequence[int], most: int, max_tokens: int) -> Iterator[list[int]]:
    """Which prompts are written together, shortest first; each batch is a list of their numbers."""
    batch: list[int] = []
    for at in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * (lengths[at] + most) > max_tokens:
            yield batch
            batch = []
        batch.append(at)
    if batch:
        yield batch


def _write(
    model: LoraModel, causal: Any, prompts: Sequence[Sequence[int]], end: int, most: int
) -> list[list[int]]:
    count, longest = len(prompts), max(map(len, prompts))
    ids = torch.full((count, longest), end)
    seen = torch.zeros(count, longest, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt)
        seen[row, longest - len(prompt) :] = 1
    ids, seen = ids.to(model.device), seen.to(model.device)
    positions = (seen.cumsum(1) - 1).clamp(min=0)
    open_ = torch.ones(count, dtype=torch.bool, device=model.device)
    cache, written = None, []
    while len(written) < most:
        model.switch_on(ids.shape[1], at_end=cache is None)
        out, cache = forward_cached(
            causal,
            cache,
            input_ids=ids,
            attention_mask=seen,
            position_ids=positions,
            logits_to_keep=1,
        )
        best = out.logits[:, -1].argmax(-1)
        open_ = open_ & (best != end)
        if not open_.any():
            break
        # A row that has ended goes on as `end`, which cuts it off below.
        ids = best.where(open_, end)[:, None]
        written.append(ids)
        seen = torch.cat([seen, seen.new_ones(count, 1)], dim=1)
        positions = positions[:, -1:] + 1
    rows = torch.cat(written, dim=1).tolist() if written else [[] for _ in prompts]
    return [row[: row.index(end)] if end in row else row for row in rows]
