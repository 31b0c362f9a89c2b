"""A Hugging Face checkpoint folder as one GGUF file: Qwen3, Qwen2 and Llama."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np
import torch

from agent.errors import InputError
from export.vocabulary import load_vocabulary

FloatType = Literal["f32", "f16"]
ARCHITECTURES = {
    "Qwen3ForCausalLM": gguf.MODEL_ARCH.QWEN3,
    "Qwen2ForCausalLM": gguf.MODEL_ARCH.QWEN2,
    "LlamaForCausalLM": gguf.MODEL_ARCH.LLAMA,
}
_FILE_TYPES = {"f32": gguf.LlamaFileType.ALL_F32, "f16": gguf.LlamaFileType.MOSTLY_F16}


def convert(
    folder: Path, out: Path, kind: FloatType = "f32", *, name: str = "", end: str | None = None
) -> Path:
    """Write the checkpoint in `folder` to `out`, matrices in `kind`, all else in f32, and return `out`.

    `end` is the token that ends a turn, by default the tokenizer's own. Tensors are read one at a time.
    Raises InputError where the architecture, tokenizer or a number cannot be written.
    """
    config = read_config(folder)
    arch = architecture(config, folder)
    vocabulary = load_vocabulary(folder, config["vocab_size"], end)
    writer = gguf.GGUFWriter(None, gguf.MODEL_ARCH_NAMES[arch])
    writer.add_name(name or folder.resolve().name)
    add_shape(writer, config, folder)
    writer.add_file_type(_FILE_TYPES[kind])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    vocabulary.write(writer)
    names = gguf.get_tensor_name_map(arch, config["num_hidden_layers"])
    tensors: list[tuple[str, Path, str]] = []
    for source, file, shape in list_tensors(folder):
        if source == "lm_head.weight" and config.get("tie_word_embeddings"):
            continue
        target = names.get_name(source, try_suffixes=(".weight", ".bias"))
        if target is None:
            raise InputError(f"{folder}: llama.cpp has no place for {source}", "export another architecture")
        dtype = np.dtype(np.float16 if kind == "f16" and len(shape) > 1 else np.float32)
        writer.add_tensor_info(target, shape, dtype, int(np.prod(shape)) * dtype.itemsize)
        tensors.append((source, file, target))
    part = out.with_name(out.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        writer.write_header_to_file(part)
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for source, file, _ in tensors:
            writer.write_tensor_data(read_tensor(file, source, kind, config, arch))
        writer.close()
        part.replace(out)
    finally:
        writer.close()
        part.unlink(missing_ok=True)
    return out


def read_config(folder: Path) -> dict[str, Any]:
    """A checkpoint's config.json. Raises InputError where there is none."""
    try:
        return json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(f"{folder} has no readable config.json", "give a checkpoint folder") from None


def architecture(config: dict[str, Any], folder: Path) -> gguf.MODEL_ARCH:
    """llama.cpp's architecture of a config. Raises InputError where it is not one that is written here."""
    named = (config.get("architectures") or ["nothing"])[0]
    if named not in ARCHITECTURES:
        raise InputError(f"{folder} is a {named}", f"known are {', '.join(ARCHITECTURES)}")
    if config.get("use_sliding_window"):
        raise InputError(f"{folder} uses a sliding window", "only full attention can be converted")
    return ARCHITECTURES[named]


def add_shape(writer: gguf.GGUFWriter, config: dict[str, Any], folder: Path) -> None:
    """The model's sizes and its rope as metadata."""
    # transformers 5 keeps rope_theta under rope_parameters, 4 keeps it beside rope_scaling.
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    rope_type = rope.get("rope_type", rope.get("type", "default"))
    if rope_type != "default":
        raise InputError(f"{folder} scales its positions ({rope_type})", "only plain rope can be converted")
    heads = config["num_attention_heads"]
    width = config.get("head_dim") or config["hidden_size"] // heads
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads") or heads)
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_rope_dimension_count(width)
    writer.add_rope_freq_base(rope.get("rope_theta") or config.get("rope_theta") or 10000.0)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])


def list_tensors(folder: Path) -> Iterator[tuple[str, Path, tuple[int, ...]]]:
    """Name, file and shape of every tensor of a checkpoint."""
    from safetensors import SafetensorError, safe_open

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InputError(f"{folder} has no safetensors file", "save the checkpoint as safetensors")
    for file in files:
        try:
            with safe_open(file, "pt") as opened:
                for name in opened.keys():  # noqa: SIM118 - a safetensors file is no mapping
                    yield name, file, tuple(opened.get_slice(name).get_shape())
        except SafetensorError as error:
            raise InputError(f"{file} is damaged: {error}", "get the checkpoint again") from None


def read_tensor(
    file: Path, name: str, kind: FloatType, config: dict[str, Any], arch: gguf.MODEL_ARCH
) -> np.ndarray:
    """One tensor as it is written. Raises InputError where it holds NaN or does not fit its type."""
    from safetensors import safe_open

    with safe_open(file, "pt") as opened:
        tensor = opened.get_tensor(name).to(torch.float32)
    return as_written(in_llama_order(tensor, name, config, arch), kind, f"{file}: {name}")


def as_written(tensor: torch.Tensor, kind: FloatType, where: str) -> np.ndarray:
    """A float32 tensor in `kind`, vectors always in f32. Raises InputError naming `where` if it cannot be."""
    if not torch.isfinite(tensor).all():
        raise InputError(f"{where} holds NaN or infinity", "train or get it again")
    if kind == "f32" or tensor.ndim == 1:
        return tensor.numpy()
    half = tensor.to(torch.float16)
    if not torch.isfinite(half).all():
        raise InputError(f"{where} is too large for f16", "write f32 instead")
    return half.numpy()


def in_llama_order(
    tensor: torch.Tensor, name: str, config: dict[str, Any], arch: gguf.MODEL_ARCH
) -> torch.Tensor:
    """The weight `name`, or the B of its adapter, with the rows as llama.cpp's architecture has them."""
    if arch == gguf.MODEL_ARCH.LLAMA and ".self_attn." in name:
        heads = config["num_attention_heads"]
        if ".q_proj." in name:
            return interleave(tensor, heads)
        if ".k_proj." in name:
            return interleave(tensor, config.get("num_key_value_heads") or heads)
    return tensor


def interleave(tensor: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of each head from two halves to pairs, which is how llama.cpp turns positions in llama."""
    rows = tensor.shape[0] // heads // 2
    return tensor.reshape(heads, 2, rows, -1).transpose(1, 2).reshape(tensor.shape).contiguous()
