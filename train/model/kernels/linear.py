"""A frozen linear layer with LoRA adapters, y = x (W + s B A)^T, as one operation with its own backward pass.

In float32 the adapters are added to the weight, dequantized for this product, so that neither pass writes an
adapter's outputs: one product with all tokens in each pass, and four thin ones for the gradients of A and B.
In bfloat16 that would round small updates away: there each adapter's product is added to the output. Only the
input is saved for the backward pass; weights are dequantized again.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

MERGE_FROM = 1024
"""Rows of a call from which adapters are added to the weight."""

Mask = Callable[[], Tensor | None]
"""Returns where an adapter is off, bool [1, T, 1] for inputs [N, T, width]; None where it is on for all."""


@dataclass(frozen=True)
class Adapter:
    """An adapter that is applied to one layer."""

    down: Tensor
    """A [rank, inputs], float32."""
    up: Tensor
    """B [outputs, rank], float32."""
    scale: float
    off: Tensor | None
    """Where it is off, bool, as rows [.., 1] of the input."""


@dataclass(frozen=True)
class Product:
    """The product of one call of a layer, in `dtype`."""

    base: Any
    """The frozen layer: `torch.nn.Linear`, or bitsandbytes' 4-bit one."""
    adapters: tuple[Adapter, ...]
    trained: int | None
    """The index of the adapter that is trained."""
    dtype: torch.dtype
    merge: bool

    def weight(self) -> Tensor:
        """Return the weight [outputs, inputs], with the adapters that are added to it."""
        stored = self.base.weight
        # A weight that was gathered from its shards has lost the state; its layer keeps it.
        state = getattr(stored, "quant_state", None) or getattr(self.base, "quant_state", None)
        if state is not None:
            from bitsandbytes.functional import dequantize_4bit

            weight: Tensor = dequantize_4bit(stored.data, state).to(self.dtype)
            owned = True
        else:
            weight, owned = stored.data.to(self.dtype), False
        for adapter in self.adapters:
            if self._is_merged(adapter):
                out = weight if owned else None
                weight = torch.addmm(weight, adapter.up, adapter.down, alpha=adapter.scale, out=out)
                owned = True
        return weight

    def forward(self, rows: Tensor) -> Tensor:
        """Return the outputs [T, outputs] of `rows` [T, inputs]."""
        bias = None if self.base.bias is None else self.base.bias.to(self.dtype)
        out = linear(rows, self.weight(), bias)
        for adapter in self.adapters:
            if not self._is_merged(adapter):
                out.addmm_(self._inner(rows, adapter), adapter.up.to(self.dtype).t(), alpha=adapter.scale)
        return out

    def input_gradient(self, gradient: Tensor, into: Tensor | None = None) -> Tensor:
        """Return the gradient of the rows [T, inputs] from that of the outputs; added to `into` in place."""
        weight = self.weight()
        inputs = gradient @ weight if into is None else into.addmm_(gradient, weight)
        for adapter in self.adapters:
            if not self._is_merged(adapter):
                inputs.addmm_(self._inner_gradient(gradient, adapter), adapter.down.to(self.dtype))
        return inputs

    def adapter_gradients(self, gradient: Tensor, rows: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Return the gradients of A and B of the adapter that is trained."""
        if self.trained is None:
            return None, None
        adapter = self.adapters[self.trained]
        down = self._inner_gradient(gradient, adapter).t() @ rows
        up = (self._inner(rows, adapter).t() @ gradient).t()
        return down.to(adapter.down.dtype), up.to(adapter.up.dtype).mul_(adapter.scale)

    def trained_parameters(self) -> tuple[Tensor | None, Tensor | None]:
        """Return A and B of the adapter that is trained."""
        if self.trained is None:
            return None, None
        adapter = self.adapters[self.trained]
        return adapter.down, adapter.up

    def _is_merged(self, adapter: Adapter) -> bool:
        return self.merge and adapter.off is None

    def _inner_gradient(self, gradient: Tensor, adapter: Adapter) -> Tensor:
        return _masked((gradient @ adapter.up.to(self.dtype)).mul_(adapter.scale), adapter.off)

    def _inner(self, rows: Tensor, adapter: Adapter) -> Tensor:
        return _masked(rows @ adapter.down.to(self.dtype).t(), adapter.off)


def _masked(rows: Tensor, off: Tensor | None) -> Tensor:
    return rows if off is None else rows.masked_fill_(off, 0.0)


class LoraLinear:
    """The forward pass of a peft LoRA layer on a linear layer."""

    def __init__(self, layer: Any) -> None:
        # The layer holds this object: a reference that counts would keep both until garbage is collected.
        self._layer = weakref.ref(layer)
        self.masks: dict[str, Mask] = {}
        """Masks of adapters, by peft's names."""

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return the outputs [N, T, outputs] of `x` [N, T, inputs]."""
        product = None if args or kwargs else self.product(x)
        if product is None:
            layer: Any = self._layer()
            return type(layer).forward(layer, x, *args, **kwargs)
        out: Any = _LinearFunction.apply(x, *product.trained_parameters(), product)
        return out

    def product(self, x: Tensor) -> Product | None:
        """Return the product of a call with input `x`; None where peft has to compute it, as with dropout."""
        layer: Any = self._layer()
        names = [name for name in layer.active_adapters if name in layer.lora_A]
        plain = all(isinstance(layer.lora_dropout[name], torch.nn.Identity) for name in names)
        if layer.disable_adapters or layer.merged or not plain:
            return None
        adapters: list[Adapter] = []
        trained = None
        for index, name in enumerate(names):
            down, up = layer.lora_A[name].weight, layer.lora_B[name].weight
            off = self.masks[name]() if name in self.masks else None
            if off is not None:
                off = off.expand(*x.shape[:-1], 1).reshape(-1, 1)
            if up.requires_grad:
                trained = index
            adapters.append(Adapter(down, up, float(layer.scaling[name]), off))
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        merge = dtype == torch.float32 and x.numel() // x.shape[-1] >= MERGE_FROM
        return Product(layer.base_layer, tuple(adapters), trained, dtype, merge)


class _LinearFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, down: Tensor | None, up: Tensor | None, product: Product) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            rows = x.reshape(-1, x.shape[-1]).to(product.dtype)
            out = product.forward(rows)
        ctx.save_for_backward(rows, down, up)
        ctx.product, ctx.shape, ctx.dtype = product, x.shape, x.dtype
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        rows = ctx.saved_tensors[0]
        gradient = grad_outputs[0].reshape(-1, grad_outputs[0].shape[-1])
        product: Product = ctx.product
        inputs = None
        if ctx.needs_input_grad[0]:
            inputs = product.input_gradient(gradient).view(ctx.shape).to(ctx.dtype)
        return inputs, *product.adapter_gradients(gradient, rows), None
