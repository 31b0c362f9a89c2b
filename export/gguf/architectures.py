"""The architectures that can be converted, and what each needs said in a GGUF file.

llama.cpp computes some things in one way only, whatever the file says: those are checked against the config
and refused where they differ, since the file would load and write nonsense.
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
    """What sets an architecture apart from the others."""

    arch: gguf.MODEL_ARCH
    pairs: bool = False
    """llama.cpp turns neighbouring numbers of a head together, transformers those half a head apart: the rows
    of q and k are put in llama.cpp's order."""
    tied: bool = False
    """Whether the embedding is the output too, where the config does not say."""
    activation: str = "silu"
    norm_offset: float = 0.0
    """What the model adds to each norm's weight."""
    theta: float = 10000.0
    local_theta: float | None = None


FAMILIES: Mapping[str, Architecture] = {
    "Qwen2ForCausalLM": Architecture(gguf.MODEL_ARCH.QWEN2),
    "Qwen3ForCausalLM": Architecture(gguf.MODEL_ARCH.QWEN3),
    "LlamaForCausalLM": Architecture(gguf.MODEL_ARCH.LLAMA, pairs=True),
    "SmolLM3ForCausalLM": Architecture(gguf.MODEL_ARCH.SMOLLM3, pairs=True, tied=True, theta=2e6),
    "GraniteForCausalLM": Architecture(gguf.MODEL_ARCH.GRANITE, pairs=True),
    "Gemma3ForCausalLM": Architecture(
        gguf.MODEL_ARCH.GEMMA3,
        tied=True,
        activation="gelu_pytorch_tanh",
        norm_offset=1.0,
        theta=1e6,
        local_theta=1e4,
    ),
}
"""By the name that stands in config.json. SmolLM2 is a Llama, Qwen2.5 a Qwen2."""

_GEMMA_27B_LAYERS = 62
_GEMMA_PERIOD = 6
_SMOLLM3_PERIOD = 4


_SAID: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers"), int),
    **dict.fromkeys(("num_attention_heads", "max_position_embeddings"), int),
    "rms_norm_eps": (int, float),
}
"""What the config.json of every family says."""
_LARGEST = 1 << 30
"""No size is larger; the count of layers is held against the weights."""


def find_architecture(config: Config, where: str) -> Architecture:
    """The family of a config.

    Raises InputError naming `where` if it is none that is known here, or lacks what all of them say.
    """
    architectures: Any = config.get("architectures")
    listed = isinstance(architectures, list) and bool(architectures)
    named = architectures[0] if listed else "model of no known kind"
    if named not in FAMILIES:
        raise InputError(f"{where} is a {named}", f"known are {', '.join(FAMILIES)}")
    if config.get("quantization_config"):
        raise InputError(f"{where} holds quantized weights", "give the 16-bit checkpoint that it was made of")
    for key, kind in _SAID.items():
        value: Any = config.get(key)
        if not isinstance(value, kind) or not 0 < value < _LARGEST:
            raise InputError(
                f"{where}: config.json says nothing usable of {key}", "save the checkpoint again"
            )
    return FAMILIES[named]


def head_width(config: Config) -> int:
    """Numbers in an attention head."""
    return config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]


def is_tied(config: Config, family: Architecture) -> bool:
    """Whether the embedding is the output matrix too."""
    said = config.get("tie_word_embeddings")
    return family.tied if said is None else bool(said)


def add_shape(writer: gguf.GGUFWriter, config: Config, family: Architecture, where: str) -> Rope:
    """Add a model's sizes and constants to a GGUF file's metadata, and return its rope.

    Raises InputError naming `where` for what llama.cpp computes in another way.
    """
    activation = config.get("hidden_activation") or config.get("hidden_act") or family.activation
    if activation != family.activation:
        raise InputError(f"{where} uses {activation}", f"llama.cpp computes {family.activation} there")
    rope = read_rope(config, family.theta, family.local_theta, where)
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
    """llama.cpp leaves positions out of every fourth layer, whatever the config says."""
    layers = config["num_hidden_layers"]
    period = config.get("no_rope_layer_interval") or _SMOLLM3_PERIOD
    turned = config.get("no_rope_layers") or [(layer + 1) % period != 0 for layer in range(layers)]
    if [bool(one) for one in turned] != [(layer + 1) % _SMOLLM3_PERIOD != 0 for layer in range(layers)]:
        raise InputError(
            f"{where} leaves positions out of other layers than every fourth", "llama.cpp cannot run that"
        )


def _add_gemma3(writer: gguf.GGUFWriter, config: Config, where: str) -> None:
    """Gemma 3's window and which layers have it; what llama.cpp takes for granted is checked."""
    layers, heads = config["num_hidden_layers"], config["num_attention_heads"]
    # llama.cpp knows the 27B model, whose scale differs, by its number of layers.
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
