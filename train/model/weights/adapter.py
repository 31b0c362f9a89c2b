"""A LoRA adapter as peft saves it: adapter_config.json and adapter_model.safetensors."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.errors import InputError
from train.model.weights.reader import read_header
from train.run.files import ADAPTER_CONFIG, ADAPTER_WEIGHTS, PICKLED_ADAPTER_WEIGHTS

_PREFIX, _A, _B = "base_model.model.", ".lora_A.weight", ".lora_B.weight"
_UNSUPPORTED = ("use_dora", "rank_pattern", "alpha_pattern", "fan_in_fan_out")

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class LoraAdapter:
    """A LoRA adapter: each weight W that it names becomes W + scale * B @ A (arXiv 2106.09685)."""

    folder: Path
    scale: float
    """alpha / rank, or alpha / sqrt(rank) with rsLoRA."""
    invocation: tuple[int, ...]
    """`alora_invocation_tokens`, the ids that switch an activated adapter on; empty for a plain one."""
    base: Path | None
    """The folder or repository of the base, as the adapter names it."""
    pairs: Mapping[str, tuple[Matrix, Matrix]]
    """A [rank, inputs] and B [outputs, rank], float32, by the name of the base's weight."""

    @property
    def rank(self) -> int:
        """The largest rank of its pairs."""
        return max(len(a) for a, _ in self.pairs.values())


def read_adapter(folder: Path) -> LoraAdapter:
    """Read an adapter folder. Raise InputError where it is damaged or not a plain LoRA of linear layers."""
    if (folder / PICKLED_ADAPTER_WEIGHTS).exists() and not (folder / ADAPTER_WEIGHTS).exists():
        raise InputError(
            f"{folder / PICKLED_ADAPTER_WEIGHTS} is a pickle, which can run any code when it is read",
            "save the adapter as safetensors (peft does so by itself)",
        )
    try:
        config = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        tensors = {tensor.name: tensor for tensor in read_header(folder / ADAPTER_WEIGHTS)}
        rank, alpha = int(config["r"]), float(config["lora_alpha"])
    except InputError as error:
        raise InputError(f"the adapter in {folder} cannot be read: {error.what}", "train it again") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"the adapter in {folder} cannot be read: {error}", "train it again") from None
    for key in _UNSUPPORTED:
        if config.get(key):
            raise InputError(f"{folder} uses {key}, which cannot be exported", "train a plain LoRA adapter")
    if other := next((name for name in sorted(tensors) if not name.endswith((_A, _B))), None):
        raise InputError(
            f"{folder} holds {other}, which cannot be exported", "train an adapter of linear layers only"
        )
    pairs: dict[str, tuple[Matrix, Matrix]] = {}
    for name, stored in tensors.items():
        if not name.endswith(_A):
            continue
        if name.replace(_A, _B) not in tensors:
            raise InputError(f"{folder} lacks the second half of {name}", "train it again")
        target = name.removeprefix(_PREFIX).removesuffix(_A) + ".weight"
        a, b = stored.read(), tensors[name.replace(_A, _B)].read()
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            raise InputError(f"{folder}: {target} is not a number", "train that role again")
        pairs[target] = a, b
    if not pairs:
        raise InputError(f"{folder} holds no LoRA matrices", "give the folder of an adapter")
    base = config.get("base_model_name_or_path")
    invocation = tuple(config.get("alora_invocation_tokens") or ())
    scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    return LoraAdapter(folder, scale, invocation, Path(base) if base else None, pairs)


def save_adapter(adapter: LoraAdapter, folder: Path) -> None:
    """Write a plain adapter to the new folder `folder` in peft's format."""
    from safetensors.numpy import save

    tensors = {
        f"{_PREFIX}{name.removesuffix('.weight')}{half}": np.ascontiguousarray(matrix)
        for name, pair in adapter.pairs.items()
        for half, matrix in zip((_A, _B), pair, strict=True)
    }
    alpha = adapter.scale * adapter.rank
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": adapter.rank,
        "lora_alpha": int(alpha) if alpha.is_integer() else alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
        "target_modules": sorted({name.split(".")[-2] for name in adapter.pairs}),
    }
    folder.mkdir(parents=True)
    (folder / ADAPTER_WEIGHTS).write_bytes(
        save(tensors)
    )  # its save_file makes files that only the owner reads
    (folder / ADAPTER_CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
