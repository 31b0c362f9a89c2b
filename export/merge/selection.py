"""Choosing the weights that an adapter is added to: the dequantized 4-bit base's, or the checkpoint's own.

`dequant` adds the adapter to what the 4-bit base dequantizes to, which is what the adapter was trained on.
`original` adds it to the checkpoint's own weights. Which is better differs from run to run, so `auto` makes
both, measures each on held-out rows and keeps the one with the lower loss. One model is in memory at a time.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch.nn.functional import cross_entropy

from agent.prompting.encoding import encode, load_tokenize, view_roles
from agent.transcript import Row
from export.merge.checkpoint import write_merged_checkpoint
from export.options import MergeBase, Say
from train.model.loading import NO_PICKLES, cannot_load
from train.run.finished import Run

_CANDIDATES: tuple[Literal["dequant", "original"], ...] = ("dequant", "original")


@dataclass(frozen=True)
class MergedCheckpoint:
    """A merged checkpoint, and which weights the adapter was added to."""

    folder: Path
    """Its weights are float32."""
    merge_base: str
    losses: dict[str, float]
    """Held-out loss a token by merge base; empty where only one was made."""


def load_model(folder: Path) -> Any:
    """Load a checkpoint folder as a float32 transformers model. Raise InputError where it is none."""
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **NO_PICKLES)
    except (OSError, ValueError) as error:
        raise cannot_load(folder, "is not a checkpoint", error) from None
    return model.eval()


def merge_stage(
    run: Run, stage: str, merge_base: MergeBase, parent: Path, say: Say, *, portable: bool = False
) -> MergedCheckpoint:
    """Make the merged checkpoint of a role or of the backbone in a folder of `parent`.

    `auto` takes the merge base with the lower held-out loss. The backbone's loss is that of all roles' turns,
    without the activated adapters that roles may add. `portable` is as in `write_merged_checkpoint`.
    """
    if run.recipe["quantization"] == "none":
        merge_base = "original"
    elif merge_base == "auto" and not run.held_out():
        merge_base = "dequant"
    if merge_base != "auto":
        folder = write_merged_checkpoint(run, stage, merge_base, parent / stage, say, portable=portable)
        return MergedCheckpoint(folder, merge_base, {})
    folders, losses = {}, {}
    for candidate in _CANDIDATES:
        folders[candidate] = write_merged_checkpoint(
            run, stage, candidate, parent / f"{stage}-{candidate}", say, portable=portable
        )
        loss = mean_loss(load_model(folders[candidate]), run.held_out(), view_roles(stage), run)
        if math.isfinite(loss):
            losses[candidate] = loss
    best = min(losses, key=lambda candidate: losses[candidate], default=_CANDIDATES[0])
    for candidate in _CANDIDATES:
        if candidate != best:
            shutil.rmtree(folders[candidate])
    return MergedCheckpoint(folders[best], best, losses)


def mean_loss(model: Any, rows: Sequence[Row], roles: Collection[str], run: Run) -> float:
    """Return the mean cross-entropy of the tokens of `roles` in `rows`; NaN where there are none."""
    tokenize = load_tokenize(run.base)
    total, count = 0.0, 0
    for row in rows:
        encoded = encode(row.transcript, roles, tokenize, run.markers)
        if not encoded.targets or len(encoded) > run.recipe["max_length"]:
            continue
        ids = torch.from_numpy(encoded.ids)[None]
        at = torch.from_numpy(encoded.target_positions)
        with torch.no_grad():
            logits = model(input_ids=ids, use_cache=False, logits_to_keep=at - 1).logits[0]
            total += cross_entropy(logits, ids[0, at], reduction="sum").item()
        count += encoded.targets
    return total / count if count else math.nan
