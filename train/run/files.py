"""The layout of a run folder: names of its files, and the version of their format.

recipe.json              the resolved recipe and the sha256 of its inputs, written first
heldout.jsonl            rows that were not trained on
STAGE/                   the adapter of a finished stage in peft's format, and its `stage.json`
merged_base/             with hand_over = merge16: the base with the stage-1 adapter merged into it
checkpoints/STAGE.pt     the state of a stage that is not finished
metrics.jsonl            a line per logged step and evaluation; curves.png draws it
README.md                the model card
manifest.json            recipe, inputs, metrics of all stages and sha256 of all adapters, written last
"""

from __future__ import annotations

from pathlib import Path

from agent.errors import InputError
from agent.paths import sha256_of

FORMAT = 1
"""Version of the JSON files."""

RECIPE = "recipe.json"
HELD_OUT = "heldout.jsonl"
STAGE = "stage.json"
"""Metrics of a stage, and what it was trained on."""
MERGED_BASE = "merged_base"
CHECKPOINTS = "checkpoints"
METRICS = "metrics.jsonl"
CURVES = "curves.png"
TENSORBOARD = "tensorboard"
CARD = "README.md"
MANIFEST = "manifest.json"

BACKBONE = "backbone"
"""Stage 1, whose adapter all roles start from or share."""

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
PICKLED_ADAPTER_WEIGHTS = "adapter_model.bin"
"""A pickle, as older versions of peft write it; never read, since loading it would run its code."""
ADAPTER_FILES = (ADAPTER_CONFIG, ADAPTER_WEIGHTS)
"""The files of an adapter that peft reads."""


def is_base_file(name: str) -> bool:
    """Return whether a file of the base is among the inputs whose sha256 a run stores."""
    return name in ("config.json", "tokenizer.json") or name.endswith(".safetensors")


def hash_file(path: Path, hint: str = "name files that exist") -> str:
    """Return the sha256 of a file in hex. Raise InputError with `hint` where it cannot be read."""
    try:
        return sha256_of(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}", hint) from None
