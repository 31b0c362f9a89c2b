"""The architectures that can be converted to GGUF and back, and the properties in which they differ.

Both directions read the table `FAMILIES`. The numbers of a model's config are in `hyperparameters`, its
weights in `tensors`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gguf
from gguf import Keys

from agent.errors import InputError

Config = Mapping[str, Any]

ATTENTION = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
MLP = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
HEAD_NORMS = ("self_attn.q_norm", "self_attn.k_norm")
_ATTENTION_BIAS = {"attention_bias": ATTENTION}
_BIASES = {**_ATTENTION_BIAS, "mlp_bias": MLP}


@dataclass(frozen=True)
class Architecture:
    """The properties in which architectures differ."""

    arch: gguf.MODEL_ARCH
    model_type: str
    """transformers' name of it in config.json."""
    interleaved_rope: bool = False
    """Whether llama.cpp rotates neighbouring elements of a head, where transformers rotates those half a head
    apart: the rows of q and k are then permuted."""
    tied_embeddings: bool = False
    """Whether the embedding is the output matrix too, where the config does not say."""
    norms: tuple[str, ...] = ()
    """The norms of a layer beside `input_layernorm` and `post_attention_layernorm`."""
    biased: tuple[str, ...] = ()
    """The modules of a layer that always have a bias."""
    biases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The modules of a layer that have a bias where a field of the config is true, by that field."""
    scales: Mapping[str, str] = field(default_factory=dict)
    """Fields of the config, 1 by default, that scale activations: the key of each in a GGUF file."""
    activation: str = "silu"
    activation_field: str = "hidden_act"
    norm_offset: float = 0.0
    """Added to each norm's weight."""
    rope_theta: float = 10000.0
    local_rope_theta: float | None = None


FAMILIES: Mapping[str, Architecture] = {
    "Qwen2ForCausalLM": Architecture(gguf.MODEL_ARCH.QWEN2, "qwen2", biased=ATTENTION[:3]),
    "Qwen3ForCausalLM": Architecture(
        gguf.MODEL_ARCH.QWEN3, "qwen3", norms=HEAD_NORMS, biases=_ATTENTION_BIAS
    ),
    "LlamaForCausalLM": Architecture(gguf.MODEL_ARCH.LLAMA, "llama", interleaved_rope=True, biases=_BIASES),
    "SmolLM3ForCausalLM": Architecture(
        gguf.MODEL_ARCH.SMOLLM3,
        "smollm3",
        interleaved_rope=True,
        tied_embeddings=True,
        biases=_BIASES,
        rope_theta=2e6,
    ),
    "GraniteForCausalLM": Architecture(
        gguf.MODEL_ARCH.GRANITE,
        "granite",
        interleaved_rope=True,
        biases=_BIASES,
        scales={
            "attention_multiplier": Keys.Attention.SCALE,
            "embedding_multiplier": Keys.LLM.EMBEDDING_SCALE,
            "residual_multiplier": Keys.LLM.RESIDUAL_SCALE,
            "logits_scaling": Keys.LLM.LOGIT_SCALE,
        },
    ),
    "Gemma3ForCausalLM": Architecture(
        gguf.MODEL_ARCH.GEMMA3,
        "gemma3_text",
        tied_embeddings=True,
        norms=(*HEAD_NORMS, "pre_feedforward_layernorm", "post_feedforward_layernorm"),
        biases=_ATTENTION_BIAS,
        activation="gelu_pytorch_tanh",
        activation_field="hidden_activation",
        norm_offset=1.0,
        rope_theta=1e6,
        local_rope_theta=1e4,
    ),
}
"""By the class that config.json names. SmolLM2 is a Llama, Qwen2.5 a Qwen2."""

_REQUIRED: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers"), int),
    **dict.fromkeys(("num_attention_heads", "max_position_embeddings"), int),
    "rms_norm_eps": (int, float),
}
"""The fields of every family's config.json."""
_MAX_SIZE = 1 << 30
"""No size is larger; the number of layers is checked against the weights."""


def find_architecture(config: Config, where: str) -> Architecture:
    """Return the architecture of a config.

    Raise InputError naming `where` if it is unknown here, or the config lacks a field that is required.
    """
    architectures: Any = config.get("architectures")
    listed = isinstance(architectures, list) and bool(architectures)
    named = architectures[0] if listed else "model of no known kind"
    if named not in FAMILIES:
        raise InputError(f"{where} is a {named}", f"known are {', '.join(FAMILIES)}")
    if config.get("quantization_config"):
        raise InputError(f"{where} holds quantized weights", "give the 16-bit checkpoint that it was made of")
    for key, kind in _REQUIRED.items():
        value: Any = config.get(key)
        if not isinstance(value, kind) or not 0 < value < _MAX_SIZE:
            raise InputError(
                f"{where}: config.json says nothing usable of {key}", "save the checkpoint again"
            )
    return FAMILIES[named]


def head_width(config: Config) -> int:
    """Return the width of an attention head."""
    return config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]


def is_tied(config: Config, family: Architecture) -> bool:
    """Return whether the embedding is the output matrix too."""
    tied = config.get("tie_word_embeddings")
    return family.tied_embeddings if tied is None else bool(tied)


def find_family(arch: Any, where: str) -> str:
    """Return the class in `FAMILIES` of a GGUF file's `general.architecture`.

    Raise InputError naming `where` if it is unknown here.
    """
    known = {gguf.MODEL_ARCH_NAMES[family.arch]: name for name, family in FAMILIES.items()}
    if arch not in known:
        raise InputError(f"{where} is of the family {arch}", f"known are {', '.join(known)}")
    return known[arch]
