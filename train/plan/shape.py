"""The sizes of a base model, from its `config.json` and its safetensors headers; no weight is read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from agent.errors import InputError
from agent.paths import read_file

HEADER_LIMIT = 100 * 1024 * 1024
"""The most bytes of a header, by the format."""
_LAYERS = ".layers."
_LOGIT_SETTINGS = ("final_logit_softcapping", "logits_scaling", "logit_scale")
_EMBEDDINGS = ("embed_tokens.weight", "lm_head.weight")


@dataclass(frozen=True)
class Linear:
    """A linear layer of the base."""

    name: str
    """As in the checkpoint, without `.weight`."""
    outputs: int
    inputs: int

    @property
    def kind(self) -> str:
        """The last part of its name, such as `q_proj`."""
        return self.name.rpartition(".")[2]

    @property
    def parameters(self) -> int:
        """Parameters of its matrix."""
        return self.outputs * self.inputs


@dataclass(frozen=True)
class Shape:
    """The sizes that decide the memory and time of a base."""

    file_bytes: int
    """Bytes of the tensors in the checkpoint's files."""
    parameters: int
    """Parameters of the model; a head tied to the embedding is not counted."""
    linears: tuple[Linear, ...]
    """The linear layers of the decoder: those that are quantized and get adapters."""
    layers: int
    width: int
    """Width of the hidden states."""
    heads: int
    head_width: int
    key_heads: int
    vocabulary: int
    norms: int
    """Normalizations of the hidden states in one layer."""
    head_norms: bool
    """Whether queries and keys are normalized too."""
    plain_head: bool
    """Whether logits are the head's outputs, neither scaled nor capped."""
    bytes_per_parameter: float
    """Mean bytes of a parameter in the checkpoint."""

    @cached_property
    def linear_parameters(self) -> int:
        """Parameters of `linears`."""
        return sum(linear.parameters for linear in self.linears)

    @cached_property
    def largest_linear(self) -> int:
        """Parameters of the largest of `linears`."""
        return max(linear.parameters for linear in self.linears)

    @cached_property
    def ffn_width(self) -> int:
        """Inner width of the feed-forward layers."""
        return max(
            (linear.inputs for linear in self.linears if linear.kind == "down_proj"), default=4 * self.width
        )

    def adapted(self, targets: tuple[str, ...]) -> list[Linear]:
        """Return the layers that get an adapter, by the recipe's `lora.targets`."""
        if not targets:
            return list(self.linears)
        return [
            linear
            for linear in self.linears
            if any(linear.name == target or linear.name.endswith(f".{target}") for target in targets)
        ]


def read_shape(folder: Path) -> Shape:
    """Read the sizes of the checkpoint in `folder`. Raise InputError where it is none, or is damaged."""
    config = _read_text_config(folder)
    tensors = dict(_read_headers(folder))
    sizes = {name: math.prod(info["shape"]) for name, info in tensors.items()}
    heads = config.get("num_attention_heads")
    if not heads or not config.get("hidden_size") or not config.get("num_hidden_layers"):
        raise InputError(f"{folder / 'config.json'} describes no causal language model", "give another base")
    layer_vectors = [name for name, info in tensors.items() if _LAYERS in name and len(info["shape"]) == 1]
    first_layer = [name for name in layer_vectors if f"{_LAYERS}0." in name]
    head_norms = any("q_norm" in name for name in first_layer)
    file_bytes = sum(info["data_offsets"][1] - info["data_offsets"][0] for info in tensors.values())
    tied = bool(config.get("tie_word_embeddings"))
    counted = {name: size for name, size in sizes.items() if not (tied and name == "lm_head.weight")}
    linears = tuple(
        Linear(name.removesuffix(".weight"), *info["shape"])
        for name, info in sorted(tensors.items())
        if len(info["shape"]) == 2 and name.endswith(".weight") and not name.endswith(_EMBEDDINGS)
    )
    return Shape(
        file_bytes=file_bytes,
        parameters=sum(counted.values()),
        linears=linears,
        layers=config["num_hidden_layers"],
        width=config["hidden_size"],
        heads=heads,
        head_width=config.get("head_dim") or config["hidden_size"] // heads,
        key_heads=config.get("num_key_value_heads") or heads,
        vocabulary=config["vocab_size"],
        norms=sum(
            name.endswith("norm.weight") and "q_norm" not in name and "k_norm" not in name
            for name in first_layer
        ),
        head_norms=head_norms,
        plain_head=not any(config.get(name) for name in _LOGIT_SETTINGS),
        bytes_per_parameter=file_bytes / sum(sizes.values()),
    )


def _read_text_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads(read_file(folder / "config.json"))
    except FileNotFoundError:
        raise InputError(
            f"{folder} is not a checkpoint folder", "give base the folder that holds config.json"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{folder / 'config.json'} cannot be read: {error}", "fetch it again") from None
    return {**config, **config.get("text_config", {})}


def _read_headers(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the `dtype`, `shape` and `data_offsets` of every tensor."""
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        raise InputError(
            f"{folder} has no safetensors files", "save the base as transformers does by default"
        )
    for file in files:
        try:
            with file.open("rb") as opened:
                length = int.from_bytes(opened.read(8), "little")
                header = json.loads(opened.read(length)) if length <= HEADER_LIMIT else None
        except (OSError, ValueError) as error:
            raise InputError(f"{file} cannot be read: {error}", "fetch it again") from None
        if not isinstance(header, dict):
            raise InputError(f"{file} is not a safetensors file", "fetch it again")
        yield from ((name, info) for name, info in header.items() if name != "__metadata__")
