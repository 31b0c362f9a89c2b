"""Puts this package's operations into a peft model, where they compute what its own modules do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from train.model.kernels.feed_forward import PARTS, FeedForward
from train.model.kernels.linear import LoraLinear
from train.model.kernels.normalization import RmsNorm

_FLOAT32_LIMIT, _BFLOAT16_LIMIT = 1e-4, 0.1
"""The largest difference from a module's own outputs, in their standard deviations."""


def install(model: Any, mixed: bool) -> list[LoraLinear]:
    """Replace the forward pass of LoRA layers, gated feed-forward parts and RMS normalizations of `model`.

    A module of another kind, or of a class whose outputs on random inputs differ from those of the
    replacement, keeps its own. With `mixed`, `model` computes under autocast, else in float32. Return the
    LoRA layers.
    """
    from peft.tuners.lora import Linear as PeftLinear
    from peft.tuners.lora.bnb import Linear4bit as PeftLinear4bit

    layers = {
        id(module): LoraLinear(module)
        for module in model.modules()
        if isinstance(module, (PeftLinear, PeftLinear4bit))
    }
    alike: dict[type, bool] = {}
    for module in model.modules():
        made = _feed_forward(module, layers) or _normalization(module)
        if made is None:
            continue
        replacement, width = made
        if type(module) not in alike:
            alike[type(module)] = _computes_alike(module, replacement, width, mixed)
        if alike[type(module)]:
            module.forward = replacement
    for module in model.modules():
        if id(module) in layers:
            module.forward = layers[id(module)]
    return list(layers.values())


def _feed_forward(
    module: Any, layers: dict[int, LoraLinear]
) -> tuple[Callable[[Tensor], Tensor], int] | None:
    gate, up, down = (layers.get(id(getattr(module, name, None))) for name in PARTS)
    if gate is None or up is None or down is None:
        return None
    return FeedForward(module, (gate, up, down)), module.gate_proj.in_features


def _normalization(module: Any) -> tuple[Callable[[Tensor], Tensor], int] | None:
    eps = getattr(module, "variance_epsilon", getattr(module, "eps", None))
    parameters = list(module.parameters(recurse=False))
    if not isinstance(eps, float) or len(parameters) != 1 or parameters[0].ndim != 1:
        return None
    return RmsNorm(module, parameters[0], eps), len(parameters[0])


def _computes_alike(module: Any, replacement: Callable[[Tensor], Tensor], width: int, mixed: bool) -> bool:
    device = next(module.parameters()).device
    x = torch.randn(1, 8, width, generator=torch.Generator().manual_seed(0)).to(device)
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=mixed):
        own, other = module(x).float(), replacement(x).float()
    limit = _BFLOAT16_LIMIT if mixed else _FLOAT32_LIMIT
    return own.shape == other.shape and float((own - other).abs().max() / own.std()) <= limit
