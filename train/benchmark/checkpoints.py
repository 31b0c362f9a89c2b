"""Checkpoints of random weights: speed and memory do not depend on the values of weights."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

WEIGHT_STD = 0.02
"""Standard deviation of a matrix's weights, as in transformers."""


@dataclass(frozen=True)
class Dimensions:
    """The sizes of a causal LM of the Qwen family; `hidden`, `ffn` and `head` are widths."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    ffn: int
    vocabulary: int = 151_936
    head: int = 64
    kind: str = "qwen2"

    def config(self) -> Any:
        """Return the transformers configuration."""
        from transformers import AutoConfig

        return AutoConfig.for_model(
            self.kind,
            hidden_size=self.hidden,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.kv_heads,
            head_dim=self.head,
            intermediate_size=self.ffn,
            vocab_size=self.vocabulary,
            max_position_embeddings=32_768,
            rope_parameters={"rope_type": "default", "rope_theta": 1e6},
            rms_norm_eps=1e-6,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=2,
            pad_token_id=0,
        )


SHAPES: Mapping[str, Dimensions] = {
    "tiny": Dimensions(128, 2, 2, 1, 384, 4_096),
    "0.5b": Dimensions(896, 24, 14, 2, 4_864),
    "1.5b": Dimensions(1_536, 28, 12, 2, 8_960, head=128),
    "3b": Dimensions(2_048, 36, 16, 2, 11_008, head=128),
}
"""Qwen2.5 (config.json of its models), and a tiny model for trying the program."""


def small(hidden: int, layers: int, vocabulary: int) -> Dimensions:
    """Return a Qwen3 in the proportions of the shipped models; `hidden` is a multiple of 128."""
    heads = hidden // 64
    return Dimensions(hidden, layers, heads, heads // 2, 3 * hidden, vocabulary, kind="qwen3")


def write_checkpoint(shape: Dimensions, folder: Path, seed: int = 0) -> int:
    """Write a bfloat16 checkpoint without a tokenizer, a layer at a time; return its number of parameters."""
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    config = shape.config()
    config.architectures = [type(_on_meta(AutoModelForCausalLM, config)).__name__]
    config.dtype = torch.bfloat16
    config.save_pretrained(folder)
    generator = torch.Generator().manual_seed(seed)
    files: dict[str, str] = {}
    total = 0
    shapes = dict(_on_meta(AutoModelForCausalLM, config).named_parameters())
    for number, names in enumerate(_by_layer(shapes)):
        file = f"model-{number:05}.safetensors"
        tensors = {name: _draw(name, shapes[name].shape, generator) for name in names}
        save_file(tensors, folder / file, metadata={"format": "pt"})
        files |= dict.fromkeys(names, file)
        total += sum(tensor.numel() for tensor in tensors.values())
    index = {"metadata": {"total_size": 2 * total}, "weight_map": files}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    return total


def _on_meta(loader: Any, config: Any) -> Any:
    with torch.device("meta"):
        return loader.from_config(config, trust_remote_code=False)


def _by_layer(names: Iterable[str]) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        parts = name.split(".")
        layer = parts[parts.index("layers") + 1] if "layers" in parts else name
        groups.setdefault(layer, []).append(name)
    return list(groups.values())


def _draw(name: str, shape: torch.Size, generator: torch.Generator) -> Tensor:
    if name.endswith("norm.weight"):
        return torch.ones(shape, dtype=torch.bfloat16)
    if name.endswith("bias"):
        return torch.zeros(shape, dtype=torch.bfloat16)
    return torch.empty(shape, dtype=torch.bfloat16).normal_(0, WEIGHT_STD, generator=generator)
