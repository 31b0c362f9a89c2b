"""The numbers of a model's config (sizes, constants, rope, windows) as a GGUF file's metadata, and back.

llama.cpp computes some things in one way only, whatever the file says: those are checked against the config
and refused where they differ, since the file would load and generate nonsense.
"""

from __future__ import annotations

from typing import Any

import gguf
from gguf import Keys

from agent.errors import InputError
from export.gguf.architectures import FAMILIES, Architecture, Config, head_width
from export.gguf.reader import GgufFile
from export.gguf.rope import Rope, read_gguf_rope, read_rope, shortest_decimal

_SIZES = {
    "max_position_embeddings": Keys.LLM.CONTEXT_LENGTH,
    "hidden_size": Keys.LLM.EMBEDDING_LENGTH,
    "num_hidden_layers": Keys.LLM.BLOCK_COUNT,
    "intermediate_size": Keys.LLM.FEED_FORWARD_LENGTH,
    "num_attention_heads": Keys.Attention.HEAD_COUNT,
}
"""Fields of every family's config.json that are whole numbers, and their keys in a GGUF file's metadata."""
_HEAD_WIDTHS = (Keys.Attention.KEY_LENGTH, Keys.Attention.VALUE_LENGTH, Keys.Rope.DIMENSION_COUNT)
"""Keys that all hold the width of a head."""
_GEMMA_27B_LAYERS = 62
_GEMMA_PERIOD = 6
_GEMMA_WINDOW = 4096
_SMOLLM3_PERIOD = 4
_OTHER = "take another file of this model"


def add_hyperparameters(writer: gguf.GGUFWriter, config: Config, family: Architecture, where: str) -> Rope:
    """Add the numbers of a config to a GGUF file's metadata; return its rope.

    Raise InputError naming `where` for what llama.cpp computes in another way.
    """
    activation = config.get("hidden_activation") or config.get("hidden_act") or family.activation
    if activation != family.activation:
        raise InputError(f"{where} uses {activation}", f"llama.cpp computes {family.activation} there")
    rope = read_rope(config, family.rope_theta, family.local_rope_theta, where)
    if rope.kind == "llama3" and family.arch != gguf.MODEL_ARCH.LLAMA:
        raise InputError(f"{where} scales its positions (llama3)", "only a Llama can be converted so")
    heads, arch = config["num_attention_heads"], writer.arch
    for name, key in _SIZES.items():
        writer.add_uint32(key.format(arch=arch), config[name])
    writer.add_head_count_kv(config.get("num_key_value_heads") or heads)
    for key in _HEAD_WIDTHS:
        writer.add_uint32(key.format(arch=arch), head_width(config))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    for name, key in family.scales.items():
        writer.add_float32(key.format(arch=arch), config.get(name, 1.0))
    rope.write(writer)
    if family.arch == gguf.MODEL_ARCH.GEMMA3:
        _add_gemma3(writer, config, where)
    elif config.get("use_sliding_window") or "sliding_attention" in (config.get("layer_types") or ()):
        raise InputError(f"{where} uses a sliding window", "only full attention can be converted")
    if family.arch == gguf.MODEL_ARCH.SMOLLM3:
        _check_smollm3(config, where)
    return rope


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
    layers, scale = config["num_hidden_layers"], _gemma3_scale(config)
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
    windowed = [kind == "sliding_attention" for kind in kinds] if kinds else _gemma3_windowed(layers, period)
    if any(windowed):
        writer.add_sliding_window(config["sliding_window"])
    if windowed != _gemma3_windowed(layers, _GEMMA_PERIOD):
        writer.add_sliding_window_pattern(windowed)


def _gemma3_scale(config: Config) -> int:
    """Return the number by whose root llama.cpp divides scores; it tells the 27B model by its layers."""
    if config["num_hidden_layers"] == _GEMMA_27B_LAYERS:
        return config["hidden_size"] // config["num_attention_heads"]
    return head_width(config)


def _gemma3_windowed(layers: int, period: int) -> list[bool]:
    """Return for each layer whether it has the sliding window: all but every `period`-th."""
    return [(layer + 1) % period != 0 for layer in range(layers)]


def read_hyperparameters(file: GgufFile, kind: str) -> dict[str, Any]:
    """Return the config.json of a GGUF file of the class `kind`, but for its vocabulary and what weights say.

    Raise InputError where a number is missing, or transformers computes something in another way.
    """
    family = FAMILIES[kind]
    arch, where = gguf.MODEL_ARCH_NAMES[family.arch], str(file.path)
    config: dict[str, Any] = {"architectures": [kind], "model_type": family.model_type}
    for name, key in _SIZES.items():
        config[name] = file.value(key.format(arch=arch), int)
        if config[name] <= 0:
            raise InputError(f"{where} says {config[name]} of {key.format(arch=arch)}", "get the file again")
    heads = config["num_attention_heads"]
    config["num_key_value_heads"] = file.value(Keys.Attention.HEAD_COUNT_KV.format(arch=arch), int, heads)
    width = file.value(_HEAD_WIDTHS[0].format(arch=arch), int, config["hidden_size"] // heads)
    for key in _HEAD_WIDTHS:
        if file.metadata.get(key.format(arch=arch), width) != width:
            raise InputError(f"{where}: {key.format(arch=arch)} is not {width}, the width of a head", _OTHER)
    config["head_dim"] = width
    for name, key in {"rms_norm_eps": Keys.Attention.LAYERNORM_RMS_EPS, **family.scales}.items():
        config[name] = shortest_decimal(file.value(key.format(arch=arch), float))
    config[family.activation_field] = family.activation
    config["rope_parameters"] = read_gguf_rope(file, arch, width, family.local_rope_theta).to_config()
    if family.arch == gguf.MODEL_ARCH.GEMMA3:
        config |= _read_gemma3(file, arch, config)
    if family.arch == gguf.MODEL_ARCH.SMOLLM3:
        config["no_rope_layer_interval"] = _SMOLLM3_PERIOD
    return config


def _read_gemma3(file: GgufFile, arch: str, config: Config) -> dict[str, Any]:
    """Return what a Gemma 3's config.json says of its sliding window and of its scores."""
    layers = config["num_hidden_layers"]
    window = file.value(Keys.Attention.SLIDING_WINDOW.format(arch=arch), int, 0)
    pattern = file.metadata.get(Keys.Attention.SLIDING_WINDOW_PATTERN.format(arch=arch), _GEMMA_PERIOD)
    windowed = pattern if isinstance(pattern, list) else _gemma3_windowed(layers, max(1, pattern))
    if len(windowed) != layers:
        raise InputError(f"{file.path} names the windows of {len(windowed)} of {layers} layers", _OTHER)
    softcap = file.value(Keys.LLM.FINAL_LOGIT_SOFTCAPPING.format(arch=arch), float, 0.0)
    return {
        "layer_types": ["sliding_attention" if window and one else "full_attention" for one in windowed],
        "sliding_window": window or _GEMMA_WINDOW,
        "query_pre_attn_scalar": _gemma3_scale(config),
        "final_logit_softcapping": shortest_decimal(softcap) if softcap else None,
        "attn_logit_softcapping": None,
    }
