"""The architectures that can be converted, and the metadata of each in a GGUF file.

llama.cpp computes some things in one way only, whatever the file says: those are checked against the config
and refused where they differ, since the file would load and generate nonsense.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gguf

from agent.errors import InputError
from export.gguf.rope import Rope, read_rope

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Architecture:
    """The properties in which architectures differ."""

    arch: gguf.MODEL_ARCH
    interleaved_rope: bool = False
    """Whether llama.cpp rotates neighbouring elements of a head, where transformers rotates those half a head
    apart: the rows of q and k are then permuted."""
    tied_embeddings: bool = False
    """Whether the embedding is the output matrix too, where the config does not say."""
    activation: str = "silu"
    norm_offset: float = 0.0
    """Added to each norm's weight."""
    rope_theta: float = 10000.0
    local_rope_theta: float | None = None


FAMILIES: Mapping[str, Architecture] = {
    "Qwen2ForCausalLM": Architecture(gguf.MODEL_ARCH.QWEN2),
    "Qwen3ForCausalLM": Architecture(gguf.MODEL_ARCH.QWEN3),
    "LlamaForCausalLM": Architecture(gguf.MODEL_ARCH.LLAMA, interleaved_rope=True),
    "SmolLM3ForCausalLM": Architecture(
        gguf.MODEL_ARCH.SMOLLM3, interleaved_rope=True, tied_embeddings=True, rope_theta=2e6
    ),
    "GraniteForCausalLM": Architecture(gguf.MODEL_ARCH.GRANITE, interleaved_rope=True),
    "Gemma3ForCausalLM": Architecture(
        gguf.MODEL_ARCH.GEMMA3,
        tied_embeddings=True,
        activation="gelu_pytorch_tanh",
        norm_offset=1.0,
        rope_theta=1e6,
        local_rope_theta=1e4,
    ),
}
"""By the class that config.json names. SmolLM2 is a Llama, Qwen2.5 a Qwen2."""

_GEMMA_27B_LAYERS = 62
_GEMMA_PERIOD = 6
_SMOLLM3_PERIOD = 4


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


def add_shape(writer: gguf.GGUFWriter, config: Config, family: Architecture, where: str) -> Rope:
    """Add a model's sizes and constants to a GGUF file's metadata; return its rope.

    Raise InputError naming `where` for what llama.cpp computes in another way.
    """
    activation = config.get("hidden_activation") or config.get("hidden_act") or family.activation
    if activation != family.activation:
        raise InputError(f"{where} uses {activation}", f"llama.cpp computes {family.activation} there")
    rope = read_rope(config, family.rope_theta, family.local_rope_theta, where)
    if rope.kind == "llama3" and family.arch != gguf.MODEL_ARCH.LLAMA:
        raise InputError(f"{where} scales its positions (llama3)", "only a Llama can be converted so")
    heads, width = config["num_attention_heads"], head_width(config)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads") or heads)
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_rope_dimension_count(width)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    rope.write(writer)
    if family.arch == gguf.MODEL_ARCH.GEMMA3:
        _add_gemma3(writer, config, where)
    elif config.get("use_sliding_window") or "sliding_attention" in (config.get("layer_types") or ()):
        raise InputError(f"{where} uses a sliding window", "only full attention can be converted")
    if family.arch == gguf.MODEL_ARCH.GRANITE:
        _add_granite(writer, config)
    if family.arch == gguf.MODEL_ARCH.SMOLLM3:
        _check_smollm3(config, where)
    return rope


def _add_granite(writer: gguf.GGUFWriter, config: Config) -> None:
    """Granite scales scores, embeddings, residuals and logits by constants of its config."""
    writer.add_attention_scale(config.get("attention_multiplier", 1.0))
    writer.add_embedding_scale(config.get("embedding_multiplier", 1.0))
    writer.add_residual_scale(config.get("residual_multiplier", 1.0))
    writer.add_logit_scale(config.get("logits_scaling", 1.0))


def _check_smollm3(config: Config, where: str) -> None:
    """Check that the layers without rope are every fourth one, as llama.cpp computes them."""
    layers = config["num_hidden_layers"]
    period = config.get("no_rope_layer_interval") or _SMOLLM3_PERIOD
    has_rope = config.get("no_rope_layers") or [(layer + 1) % period != 0 for layer in range(layers)]
    if [bool(one) for one in has_rope] != [(layer + 1) % _SMOLLM3_PERIOD != 0 for layer in range(layers)]:
        raise InputError(
            f"{where} leaves positions out of other layers than every fourth", "llama.cpp cannot run that"
        )


def _add_gemma3(writer: gguf.GGUFWriter, config: Config, where: str) -> None:
    """Add Gemma 3's sliding window and its layers; check what llama.cpp assumes."""
    layers, heads = config["num_hidden_layers"], config["num_attention_heads"]
    # llama.cpp recognizes the 27B model, whose scale differs, by its number of layers.
    scale = config["hidden_size"] // heads if layers == _GEMMA_27B_LAYERS else head_width(config)
    if config.get("query_pre_attn_scalar", scale) != scale:
        raise InputError(
            f"{where} divides scores by the root of {config['query_pre_attn_scalar']}",
            f"llama.cpp divides by that of {scale}",
        )
    for key in ("attn_logit_softcapping", "use_bidirectional_attention"):
        if config.get(key):
            raise InputError(f"{where} sets {key}", "llama.cpp does not compute that in a Gemma 3")
    if config.get("final_logit_softcapping"):
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])
    period = config.get("sliding_window_pattern") or config.get("_sliding_window_pattern") or _GEMMA_PERIOD
    kinds = config.get("layer_types")
    windowed = (
        [kind == "sliding_attention" for kind in kinds]
        if kinds
        else [(layer + 1) % period != 0 for layer in range(layers)]
    )
    if any(windowed):
        writer.add_sliding_window(config["sliding_window"])
    if windowed != [(layer + 1) % _GEMMA_PERIOD != 0 for layer in range(layers)]:
        writer.add_sliding_window_pattern(windowed)
