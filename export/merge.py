"""An adapter folded into its base: one float32 model for a role, or for the backbone that roles share.

`dequant` adds the adapter to what the 4-bit base dequantizes to, which is what the adapter was trained on.
`original` adds it to the checkpoint's own weights. Which is better differs from run to run, so `auto`
measures both on held-out rows and keeps the one with the lower loss.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from agent.encoding import encode, load_tokenize, view_roles
from agent.errors import InputError
from agent.transcript import Row
from export.adapter import load_adapter
from export.run import Run

MergeBase = Literal["auto", "dequant", "original"]


@dataclass(frozen=True)
class Merged:
    """A merged model (a transformers causal LM in float32 on the CPU) and how it came about."""

    model: Any
    merge_base: str
    losses: dict[str, float]
    """Held-out loss a token of each base that was tried; empty where there was no row to try on."""


def load_model(folder: Path) -> Any:
    """A checkpoint folder as a float32 transformers model. Raises InputError where it is none."""
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{folder} is no checkpoint: {reason}", "check the folder") from None
    return model.eval()


def nf4_round_trip(weight: Tensor, *, double_quant: bool) -> Tensor:
    """`weight` as it is after bitsandbytes stored it in NF4 and read it back."""
    # On a CPU bitsandbytes warns of an optional kernel package as soon as it is imported.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    packed, state = quantize_4bit(
        weight.contiguous(), blocksize=64, quant_type="nf4", compress_statistics=double_quant
    )
    return dequantize_4bit(packed, state).to(weight.dtype)


def load_updates(adapter: Path) -> dict[str, Tensor]:
    """What a peft adapter adds to each weight, by the weight's name in the base, float32.

    Raises InputError where the adapter is of a kind that cannot be folded in.
    """
    loaded = load_adapter(adapter)
    if loaded.invocation:
        raise InputError(
            f"{adapter} uses alora_invocation_tokens, which cannot be merged", "export a shared bundle"
        )
    return {name: loaded.scale * (up @ down) for name, (down, up) in loaded.pairs.items()}


def merge_into(run: Run, stage: str, merge_base: Literal["dequant", "original"]) -> Any:
    """The base with a stage's adapters added, on dequantized or on original weights."""
    model = load_model(run.base)
    updates: dict[str, Tensor] = {}
    for adapter in run.adapters(stage):
        for name, update in load_updates(adapter).items():
            updates[name] = updates[name] + update if name in updates else update
    head = model.get_output_embeddings()
    quantized = merge_base == "dequant" and run.recipe["quantization"] == "nf4"
    with torch.no_grad():
        for name, module in model.named_modules():
            if not isinstance(module, torch.nn.Linear) or module is head:
                continue
            if quantized:
                double = run.recipe["double_quant"]
                module.weight.copy_(nf4_round_trip(module.weight, double_quant=double))
            update = updates.pop(f"{name}.weight", None)
            if update is not None:
                module.weight.add_(update)
    if updates:
        raise InputError(
            f"{run.base} has no layer {next(iter(updates))}", "use the base the run was made from"
        )
    return model


def merge(run: Run, stage: str, merge_base: MergeBase = "auto") -> Merged:
    """The merged model of a role or of the backbone. `auto` takes the base with the lower held-out loss.

    The backbone's loss is that of all roles' turns, without the activated adapters that roles may add.
    """
    if run.recipe["quantization"] == "none":
        merge_base = "original"
    if merge_base != "auto":
        return Merged(merge_into(run, stage, merge_base), merge_base, {})
    rows = run.held_out()
    models, losses = {}, {}
    for tried in ("dequant", "original"):
        models[tried] = merge_into(run, stage, tried)
        losses[tried] = mean_loss(models[tried], rows, view_roles(stage), run)
    best = "original" if losses["original"] < losses["dequant"] else "dequant"
    kept = {tried: loss for tried, loss in losses.items() if math.isfinite(loss)}
    return Merged(models[best], best, kept)


def mean_loss(model: Any, rows: Sequence[Row], roles: Collection[str], run: Run) -> float:
    """Mean cross-entropy of the tokens of `roles` in `rows`; NaN where there are none."""
    tokenize = load_tokenize(run.base)
    total, count = 0.0, 0
    for row in rows:
        encoded = encode(row.transcript, roles, tokenize, run.markers)
        if not encoded.targets or len(encoded) > run.recipe["max_length"]:
            continue
        ids = torch.from_numpy(encoded.ids)[None]
        at = torch.from_numpy(encoded.learnt_positions)
        with torch.no_grad():
            logits = model(input_ids=ids, use_cache=False, logits_to_keep=at - 1).logits[0]
            total += cross_entropy(logits, ids[0, at], reduction="sum").item()
        count += encoded.targets
    return total / count if count else math.nan
