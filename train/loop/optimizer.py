"""The optimizer of an adapter: AdamW, on a GPU with 8-bit states in paged memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from train.recipe import Recipe


def make_optimizer(
    parameters: Sequence[torch.nn.Parameter], recipe: Recipe, stage: str, device: torch.device
) -> torch.optim.Optimizer:
    """Return the recipe's optimizer for a stage's adapter.

    `paged_adamw_8bit` keeps both moments in 8 bits a number, quantized by block (Dettmers et al. 2022, arXiv
    2110.02861), in pages that CUDA evicts to the host when memory is short; small tensors stay in 32 bits.
    """
    rate = recipe.stage(stage).learning_rate
    kind = recipe.optimizer
    if kind == "auto":
        kind = "paged_adamw_8bit" if device.type == "cuda" else "adamw"
    if kind == "paged_adamw_8bit":
        from bitsandbytes.optim.adamw import PagedAdamW8bit

        return PagedAdamW8bit(parameters, lr=rate, weight_decay=recipe.weight_decay)
    fused = device.type == "cuda"
    return torch.optim.AdamW(parameters, lr=rate, weight_decay=recipe.weight_decay, fused=fused)
