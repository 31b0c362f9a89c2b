"""The cross-entropy of a frozen output head, a few rows at a time, with the gradient of its input.

The logits of N labels over a vocabulary of V take 4 N V bytes, and twice that again for the gradient. Here
they exist for `CHUNK_BYTES` at a time: logits, probabilities and gradient take turns in one buffer, and what
is kept is the gradient of the hidden states, [N, width].
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CHUNK_BYTES = 128e6
"""Bytes of the float32 logits that exist at a time."""


def head_loss(hidden: Tensor, head: torch.nn.Linear, targets: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the summed cross-entropy of `targets` [N] under the logits of `hidden` [N, width].

    Products are computed in `dtype`, the rest in float32. `head` gets no gradient.
    """
    loss: Any = _HeadLossFunction.apply(hidden, head.weight, head.bias, targets, dtype)
    return loss


class _HeadLossFunction(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, dtype: torch.dtype
    ) -> Tensor:
        weight = weight.to(dtype)
        total = torch.zeros((), device=hidden.device)
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        size = max(1, int(CHUNK_BYTES / (4 * weight.shape[0])))
        with torch.autocast(hidden.device.type, enabled=False):
            for at in range(0, len(targets), size):
                rows, wanted = hidden[at : at + size].to(dtype), targets[at : at + size, None]
                logits = (rows @ weight.t()).float()
                if bias is not None:
                    logits.add_(bias.float())
                highest, best = logits.max(dim=1, keepdim=True)
                of_target = logits.gather(1, wanted)
                probabilities = torch.softmax(logits, 1, out=logits)
                # The best token's probability is 1 / sum(exp(logits - highest)), never below 1 / V.
                total += (highest - probabilities.gather(1, best).log() - of_target).sum()
                if gradient is not None:
                    probabilities.scatter_add_(1, wanted, torch.full_like(of_target, -1.0))
                    gradient[at : at + size] = probabilities.to(dtype) @ weight
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        return ctx.saved_tensors[0] * grad_outputs[0], None, None, None, None
