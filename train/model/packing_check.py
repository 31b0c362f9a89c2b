"""A check, before anything is trained, that a base computes packed branches as it computes rows alone.

Recurrent layers carry one branch into the next, and some models mask, cap or place positions in ways of their
own. Training such a base would fail silently; here it is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from agent.prompting.encoding import Encoded
from train.model.attention import collate, enable, logits_at
from train.model.packing import join

_PREFIX, _BRANCH = 5, 4
"""Tokens. A leak of one branch into the next shows at any length."""
_NOT_FINITE = "it computes NaN or infinity; its weights may be damaged"
_FLOAT32_LIMIT, _BFLOAT16_LIMIT = 1e-3, 0.1
"""The largest difference of logits, in their standard deviations."""


def require_branches(model: Any, mixed: bool) -> None:
    """Switch `model` to attend by branches (`train.model.attention`).

    Raise ValueError where the logits of a branch then differ from those of the row alone, FloatingPointError
    where they are not finite. With `mixed`, matrix products run in bfloat16, and the limit is that of its
    rounding.
    """
    vocabulary = int(model.config.get_text_config().vocab_size)
    tokens = np.random.default_rng(0).integers(0, vocabulary, _PREFIX + 2 * _BRANCH)
    prefix, branches = tokens[:_PREFIX], tokens[_PREFIX:].reshape(2, _BRANCH)
    is_target = np.ones(_BRANCH, np.bool_)
    is_target[0] = False
    row = torch.from_numpy(np.concatenate([prefix, branches[1]]))[None]
    last = torch.arange(_PREFIX + _BRANCH, _PREFIX + 2 * _BRANCH, device=model.device)
    with torch.no_grad():
        with _finite_outputs(model):
            alone = model(input_ids=row.to(model.device), use_cache=False).logits[0, _PREFIX:].float()
        enable(model)
        layout = collate([join([Encoded(prefix, branch, is_target) for branch in branches])], model.device)
        try:
            packed = logits_at(model, layout, last).float()
        except (TypeError, AttributeError, KeyError) as error:
            raise ValueError(f"its layers do not take transformers' attention interface ({error})") from None
    if not packed.isfinite().all():
        raise FloatingPointError(_NOT_FINITE)
    if packed.shape != alone.shape:
        raise ValueError("it cannot compute its logits at chosen positions")
    limit = _FLOAT32_LIMIT if model.dtype == torch.float32 and not mixed else _BFLOAT16_LIMIT
    difference = float((packed - alone).abs().max() / alone.std())
    if not difference <= limit:
        raise ValueError(
            f"its layers mix the rows of one packed sequence (logits differ by {difference:.2g})"
        )


@contextmanager
def _finite_outputs(model: Any) -> Iterator[None]:
    """Raise FloatingPointError where a module of `model` returns a number that is not finite.

    The logits do not tell: torch's attention on a processor takes the scores of a NaN query for masked ones.
    """

    def check(module: Any, _inputs: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor) and not output.isfinite().all():
            raise FloatingPointError(_NOT_FINITE)

    hooks = [module.register_forward_hook(check) for module in model.modules()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
