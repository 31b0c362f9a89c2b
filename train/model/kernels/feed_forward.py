"""The gated feed-forward part, down(silu(gate(x)) * up(x)), as one operation with its own backward pass.

It saves its input and the outputs of `gate` and `up`; what follows from them is computed again, in place
where possible.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import silu

from train.model.kernels.linear import LoraLinear, Product

PARTS = ("gate_proj", "up_proj", "down_proj")


class FeedForward:
    """The forward pass of a gated feed-forward module whose three layers have adapters."""

    def __init__(self, module: Any, layers: tuple[LoraLinear, LoraLinear, LoraLinear]) -> None:
        self._layers = layers
        self._module = weakref.ref(module)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the outputs [N, T, width] of `x` [N, T, width]."""
        products = [layer.product(x) for layer in self._layers]
        plain = [product for product in products if product is not None]
        if len(plain) < len(products):
            module: Any = self._module()
            return type(module).forward(module, x)
        parameters = [parameter for product in plain for parameter in product.trained_parameters()]
        out: Any = _FeedForwardFunction.apply(x, *parameters, plain)
        return out


class _FeedForwardFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *inputs: Any) -> Tensor:
        *parameters, products = inputs
        of_gate, of_up, of_down = products
        with torch.autocast(x.device.type, enabled=False):
            rows = x.reshape(-1, x.shape[-1]).to(of_gate.dtype)
            gate, up = of_gate.forward(rows), of_up.forward(rows)
            out = of_down.forward(silu(gate).mul_(up))
        ctx.save_for_backward(rows, gate, up, *parameters)
        ctx.products, ctx.shape, ctx.dtype = products, x.shape, x.dtype
        return out.view(x.shape)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        rows, gate, up = ctx.saved_tensors[:3]
        products: tuple[Product, Product, Product] = ctx.products
        of_gate, of_up, of_down = products
        gradient = grad_outputs[0].reshape(-1, grad_outputs[0].shape[-1])
        active = silu(gate)
        down_gradients = of_down.adapter_gradients(gradient, active * up)
        inner = of_down.input_gradient(gradient)
        active.mul_(inner)
        inputs, up_gradients = of_up.input_gradient(active), of_up.adapter_gradients(active, rows)
        inner.mul_(up)
        torch.ops.aten.silu_backward.grad_input(inner, gate, grad_input=inner)
        of_gate.input_gradient(inner, into=inputs)
        gate_gradients = of_gate.adapter_gradients(inner, rows)
        out = inputs.view(ctx.shape).to(ctx.dtype)
        return out, *gate_gradients, *up_gradients, *down_gradients, None
