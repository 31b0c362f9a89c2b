"""`umi train average`: the mean of adapters that went on from each other, as a run of its own.

The mean of weights that were fine-tuned from the same start lies in the same basin of the loss, and often
does better than either on what both were trained for (WiSE-FT, arXiv 2109.01903, eq. 1; model soups,
2203.05482).
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from agent.errors import InputError, cannot_write
from agent.paths import replacing
from agent.prompting import PROMPT_VERSION
from agent.transcript.rows import read_rows
from train.loop.held_out import HeldOutEvaluator
from train.loop.progress import Say
from train.model.lora import LoraModel, load_adapter
from train.model.special_tokens import marked_tokenize
from train.model.weights.adapter import LoraAdapter, read_adapter, save_adapter
from train.recipe import Recipe
from train.run.card import write_card
from train.run.files import ADAPTER_FILES, BACKBONE, FORMAT, HELD_OUT, MANIFEST, RECIPE, STAGE, hash_file
from train.run.finished import load_run, require_own_adapters
from train.run.folder import write_json

_SAME_START = "average a run with the one that it started from, or runs of the same start"


def average_runs(folders: Sequence[Path], weights: Sequence[float], out: Path, say: Say) -> Path:
    """Write the weighted mean of the runs' stage-1 adapters to the new run folder `out`; return `out`.

    The first run is a finished one of a single adapter for all roles, whose recipe, held-out rows and data
    are those of the mean; its held-out loss is measured anew. Of the others stage 1 is read alone. A's and
    B's are averaged each by itself. Equal weights where none are given; they are divided by their sum. Raise
    InputError where the adapters do not fit each other, and where `out` exists.
    """
    if out.exists():
        raise InputError(f"{out} already exists", "name another folder with --out, or remove it")
    shares = _shares(folders, weights)
    run = load_run(folders[0])
    if not run.has_one_adapter:
        raise InputError(
            f"{run.folder} trained roles apart", "average runs of one adapter (method = multi-task)"
        )
    require_own_adapters(run)
    adapters = [read_adapter(_backbone(folder)) for folder in folders]
    mean = mean_adapter(adapters, shares)
    recipe = Recipe.from_json({**run.recipe, "out": str(out)}, str(run.folder))
    held_out = list(read_rows(run.folder / HELD_OUT))
    tokenize = marked_tokenize(Path(recipe.base), recipe.markers)
    files = [_backbone(folder) / name for folder in folders for name in ADAPTER_FILES]
    averaged = {str(folder): share for folder, share in zip(folders, shares, strict=True)}
    record = {
        "format": FORMAT,
        "prompt_version": PROMPT_VERSION,
        "recipe": dict(run.recipe),
        "inputs": {**run.inputs, **{str(file): hash_file(file) for file in files}},
        "averaged": averaged,
    }
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out, out.with_name(f".{out.name}.part")) as partial:
            save_adapter(mean, partial / BACKBONE)
            shutil.copyfile(run.folder / HELD_OUT, partial / HELD_OUT)
            say(f"measuring the loss on {len(held_out):,} held-out rows")
            model = LoraModel(recipe)
            model.set_adapter(load_adapter(partial / BACKBONE))
            losses = HeldOutEvaluator(model, BACKBONE, held_out, recipe, tokenize).losses()
            before = run.stages[BACKBONE]["heldout_loss"]
            for part, loss in losses.items():
                say(f"held-out loss of {part}: {before[part]:.4f} -> {loss:.4f}")
            stage = {**run.stages[BACKBONE], "heldout_loss": losses, "scores": {}}
            write_json(partial / BACKBONE / STAGE, stage)
            write_json(partial / RECIPE, record)
            made = {f"{BACKBONE}/{name}": hash_file(partial / BACKBONE / name) for name in ADAPTER_FILES}
            write_json(partial / MANIFEST, {**record, "stages": {BACKBONE: stage}, "files": made})
            write_card(partial, {**record, "stages": {BACKBONE: stage}})
    except OSError as error:
        raise cannot_write(out, error) from None
    return out


def mean_adapter(adapters: Sequence[LoraAdapter], shares: Sequence[float]) -> LoraAdapter:
    """Return the mean of A and of B of each pair, float32, with `shares` that sum to 1.

    Raise InputError where the adapters differ in their layers, their shapes or their scale.
    """
    first = adapters[0]
    for other in adapters[1:]:
        shapes = [{name: (a.shape, b.shape) for name, (a, b) in one.pairs.items()} for one in (first, other)]
        if shapes[0] != shapes[1] or first.scale != other.scale or first.invocation or other.invocation:
            raise InputError(f"the adapters in {first.folder} and {other.folder} do not fit", _SAME_START)
    pairs = {}
    for name in first.pairs:
        parts = [adapter.pairs[name] for adapter in adapters]
        halves = (
            sum((share * part[half] for share, part in zip(shares, parts, strict=True)), np.float32(0))
            for half in (0, 1)
        )
        a, b = (np.asarray(half, np.float32) for half in halves)
        pairs[name] = a, b
    return replace(first, pairs=pairs)


def _shares(folders: Sequence[Path], weights: Sequence[float]) -> list[float]:
    if len(folders) < 2:
        raise InputError("one run has no mean", "name two runs or more")
    if weights and len(weights) != len(folders):
        raise InputError(f"{len(weights)} weights for {len(folders)} runs", "give each run one, in order")
    total = sum(weights or [1.0] * len(folders))
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or total <= 0:
        raise InputError("weights are numbers from 0, and not all 0", "such as --weights 0.5,0.5")
    return [weight / total for weight in weights or [1.0] * len(folders)]


def _backbone(folder: Path) -> Path:
    if not (folder / BACKBONE).is_dir():
        raise InputError(f"{folder} holds no finished stage 1", "name the folder of a run that has one")
    return folder / BACKBONE
