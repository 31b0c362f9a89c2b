"""RMS normalization with a frozen scale (arXiv 1910.07467, equation 4), as one operation.

y = w * x / r with r = sqrt(mean(x^2) + eps). Its backward pass, with u = w * dy:
dx = (u - x * mean(u * x) / r^2) / r. It saves its input and 1 / r.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor


class RmsNorm:
    """The forward pass of a normalization module, on float32 inputs."""

    def __init__(self, module: Any, weight: Tensor, eps: float) -> None:
        self._weight, self._eps = weight, eps
        self._module = weakref.ref(module)

    def __call__(self, x: Tensor) -> Tensor:
        """Return `x` [.., width] normalized over its last dimension."""
        if x.dtype != torch.float32 or self._weight.dtype != torch.float32:
            module: Any = self._module()
            return type(module).forward(module, x)
        out: Any = _RmsNormFunction.apply(x, self._weight, self._eps)
        return out


class _RmsNormFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        inverse = length.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
        ctx.save_for_backward(x, weight, inverse)
        return (x * inverse).mul_(weight)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, inverse = ctx.saved_tensors
        scaled = grad_outputs[0] * weight
        mean = (scaled * x).mean(-1, keepdim=True)
        mean.mul_(inverse.pow(3))
        return scaled.mul_(inverse).addcmul_(x, mean, value=-1.0), None, None
