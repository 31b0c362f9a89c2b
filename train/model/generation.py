"""Greedy generation with a transformers causal LM: in batches, or prompt by prompt over a shared prefix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent.prompting.encoding import common_length
from train.model.kv_cache import forward_cached, truncate


@dataclass(frozen=True)
class Generated:
    """What greedy search appended to a prompt."""

    ids: list[int]
    """Ids up to and including the end token, if it was reached."""
    logits: NDArray[np.float32] | None
    """[tokens, vocabulary]: the logits that each id was chosen by; None if not requested."""


def generate(
    model: Any,
    prompts: Sequence[Sequence[int]],
    end: int,
    max_new_tokens: int,
    *,
    max_batch_tokens: int = 4096,
    header_tokens: int = 0,
) -> list[list[int]]:
    """Return what `model` generates greedily after each prompt: ids up to, but without, the token `end`.

    A batch holds prompts of similar length, padded on the left, and at most `max_batch_tokens` tokens with
    what is generated; a single longer prompt makes a batch of its own. `header_tokens` is as in
    `greedy_search`.
    """
    texts: list[list[int]] = [[] for _ in prompts]
    for batch in batches([len(prompt) for prompt in prompts], max_new_tokens, max_batch_tokens):
        batch_prompts = [prompts[at] for at in batch]
        found, _ = greedy_search(model, batch_prompts, end, max_new_tokens, header_tokens=header_tokens)
        for at, one in zip(batch, found, strict=True):
            texts[at] = one.ids[:-1] if one.ids[-1:] == [end] else one.ids
    return texts


def batches(lengths: Sequence[int], max_new_tokens: int, max_batch_tokens: int) -> Iterator[list[int]]:
    """Yield the indices of the prompts that are generated after together, the shortest prompts first."""
    batch: list[int] = []
    for at in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * (lengths[at] + max_new_tokens) > max_batch_tokens:
            yield batch
            batch = []
        batch.append(at)
    if batch:
        yield batch


class PrefixCachedGenerator:
    """Generates after one prompt at a time; the cache of the prefix shared with the last one is reused."""

    def __init__(self, model: Any, header_tokens: int = 0) -> None:
        """Generate with `model`; `header_tokens` is as in `greedy_search`."""
        self._model = model
        self._header_tokens = header_tokens
        self._cache: Any = None
        self._cached_ids: list[int] = []
        """The ids whose keys and values may be used again: those before an activated adapter was on."""

    def generate(
        self, prompt: Sequence[int], end: int, max_new_tokens: int
    ) -> tuple[list[int], NDArray[np.float32]]:
        """Return one to `max_new_tokens` ids after `prompt`, and their logits [ids, vocabulary].

        The token `end`, where it is reached, is the last one.
        """
        history = len(prompt) - self._header_tokens
        kept = min(common_length(self._cached_ids, prompt), history, len(prompt) - 1)
        cache = truncate(self._cache, kept) if kept else None
        (found,), self._cache = greedy_search(
            self._model,
            [prompt],
            end,
            max_new_tokens,
            header_tokens=self._header_tokens,
            cache=cache,
            cached=kept if cache is not None else 0,
            return_logits=True,
        )
        whole = list(prompt) if self._header_tokens else [*prompt, *found.ids[:-1]]
        self._cached_ids = whole[:history] if self._header_tokens else whole
        assert found.logits is not None
        return found.ids, found.logits


def greedy_search(
    model: Any,
    prompts: Sequence[Sequence[int]],
    end: int,
    max_new_tokens: int,
    *,
    header_tokens: int = 0,
    cache: Any = None,
    cached: int = 0,
    return_logits: bool = False,
) -> tuple[list[Generated], Any]:
    """Generate greedily after all prompts at once; return what was generated and the key-value cache.

    A row ends with the token `end`. `cache` holds the first `cached` positions of a single prompt. With
    `header_tokens` an activated adapter is on for that many last tokens of each prompt and all that follows:
    `model` is called with `alora_offsets`, as peft's models are.
    """
    device = model.device
    ids, mask = _pad_left([prompt[cached:] for prompt in prompts], end, device)
    padded = not bool(mask.all())
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    unfinished = torch.ones(len(prompts), dtype=torch.bool, device=device)
    steps: list[Tensor] = []
    logits: list[Tensor] = []
    with torch.no_grad():
        while len(steps) < max_new_tokens and bool(unfinished.any()):
            inputs: dict[str, Any] = {"input_ids": ids, "logits_to_keep": 1}
            if padded:
                inputs |= {"attention_mask": mask, "position_ids": positions}
            if header_tokens:
                inputs["alora_offsets"] = [header_tokens + len(steps)] * len(prompts)
            output, cache = forward_cached(model, cache, **inputs)
            last = output.logits[:, -1]
            # A row that has ended is padded with `end`, which is cut off below.
            best = last.argmax(-1).where(unfinished, end)
            unfinished = unfinished & (best != end)
            steps.append(best)
            if return_logits:
                logits.append(last.float().cpu())
            ids = best[:, None]
            mask = torch.cat([mask, mask.new_ones(len(prompts), 1)], dim=1)
            positions = positions[:, -1:] + 1
    rows = torch.stack(steps, dim=1).tolist() if steps else [[] for _ in prompts]
    found = []
    for at, row in enumerate(rows):
        text = row[: row.index(end) + 1] if end in row else row
        kept = np.stack([step[at].numpy() for step in logits[: len(text)]]) if return_logits else None
        found.append(Generated(text, kept))
    return found, cache


def _pad_left(prompts: Sequence[Sequence[int]], filler: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the ids [rows, longest] and the attention mask, int64 of the same shape, of padded prompts."""
    longest = max(map(len, prompts))
    ids = torch.full((len(prompts), longest), filler)
    mask = torch.zeros(len(prompts), longest, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt)
        mask[row, longest - len(prompt) :] = 1
    return ids.to(device), mask.to(device)
