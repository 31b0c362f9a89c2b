"""LoRA adapters as vLLM loads them: folders in peft's format, one for each role."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import gguf
import numpy as np

from agent.bundle.deltas.merge import Delta
from agent.errors import InputError
from export.gguf.architectures import FAMILIES, head_width
from export.gguf.tensors import deinterleave, is_permuted
from train.model.weights.adapter import LoraAdapter
from train.model.weights.reader import list_tensors, read_config
from train.run.files import ADAPTER_CONFIG, ADAPTER_WEIGHTS

Pairs = Mapping[str, tuple[np.ndarray, np.ndarray]]


def import_delta(delta: Delta, model: Path) -> LoraAdapter:
    """Return an adapter in GGUF as peft names its weights, over the checkpoint folder `model`.

    The inverse of `export.gguf.adapter.write_adapter`. Raise InputError where the checkpoint lacks a weight
    that the adapter changes, or has it in another shape.
    """
    config = read_config(model)
    family = FAMILIES[config["architectures"][0]]
    names = gguf.get_tensor_name_map(family.arch, config["num_hidden_layers"])
    weights = {
        names.get_name(tensor.name, try_suffixes=(".weight", ".bias")): tensor
        for tensor in list_tensors(model)
    }
    pairs = {}
    for target, (a, b) in delta.pairs.items():
        weight = weights.get(target)
        if weight is None or weight.shape != (len(b), a.shape[1]):
            raise InputError(f"{delta.file} is no adapter of {model}: {target} differs", "get both again")
        rows = deinterleave(b, head_width(config)) if is_permuted(weight.name, family) else b
        pairs[weight.name] = a, rows
    return LoraAdapter(delta.file, delta.scale, (), None, pairs)


def write_adapters(adapters: Sequence[LoraAdapter], out: Path) -> int:
    """Write the sum of `adapters`, all over one checkpoint, to the folder `out` as one; return its rank.

    The ranks are added up, and the scales are multiplied into B, so alpha is the rank.
    """
    from safetensors.numpy import save

    rank = sum(_rank(adapter) for adapter in adapters)
    tensors = {}
    for name in sorted({name for adapter in adapters for name in adapter.pairs}):
        shapes = next(adapter.pairs[name] for adapter in adapters if name in adapter.pairs)
        a = np.zeros((rank, shapes[0].shape[1]), np.float32)
        b = np.zeros((len(shapes[1]), rank), np.float32)
        first = 0
        for adapter in adapters:
            size = _rank(adapter)
            if name in adapter.pairs:
                own_a, own_b = adapter.pairs[name]
                a[first : first + size], b[:, first : first + size] = own_a, own_b * adapter.scale
            first += size
        module = f"base_model.model.{name.removesuffix('.weight')}"
        tensors |= {f"{module}.lora_A.weight": a, f"{module}.lora_B.weight": b}
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": rank,
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
        "target_modules": sorted({name.split(".")[-3] for name in tensors}),
    }
    out.mkdir(parents=True)
    (out / ADAPTER_WEIGHTS).write_bytes(save(tensors))  # its save_file makes files that only the owner reads
    (out / ADAPTER_CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return rank


def _rank(adapter: LoraAdapter) -> int:
    return max(len(a) for a, _ in adapter.pairs.values())
