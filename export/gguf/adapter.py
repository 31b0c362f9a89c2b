"""A peft adapter as a GGUF adapter that llama.cpp applies, and back.

llama.cpp scales an adapter by alpha / rank and does not know where an activated one starts: the ids that
activate it are metadata, which umi's engine reads.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from numpy.typing import NDArray

from agent.bundle.deltas.merge import Delta, closing_writer
from agent.bundle.manifest import BACKBONE_KEY
from agent.errors import InputError, cannot_write
from agent.paths import replacing
from export.card.provenance import Extra, write_extra
from export.gguf.architectures import FAMILIES, find_architecture, head_width
from export.gguf.tensors import deinterleave, interleave, is_permuted, to_type
from train.model.weights.adapter import LoraAdapter
from train.model.weights.reader import list_tensors, read_config

AdapterType = Literal["f32", "f16", "bf16", "q8_0", "q4_0"]
ADAPTER_TYPES: dict[AdapterType, Type] = {
    "f32": Type.F32,
    "f16": Type.F16,
    "bf16": Type.BF16,
    "q8_0": Type.Q8_0,
    "q4_0": Type.Q4_0,
}
"""The types of an adapter's matrices."""


def write_adapter(
    adapter: LoraAdapter,
    base: Path,
    out: Path,
    kind: AdapterType,
    *,
    backbone: str = "",
    extra: Extra | None = None,
) -> Path:
    """Write an adapter of the checkpoint in `base` to `out`, its matrices in `kind`; return `out`.

    A matrix whose rows `kind` cannot hold, such as B if the rank is not a multiple of 32, is written in f16.
    `backbone` is the fingerprint of the model that it belongs to (see `export.gguf.backbone_fingerprint`),
    `extra` is added to the metadata. Raise InputError where the adapter names a weight that the base lacks or
    that llama.cpp has no tensor for, UmiError where `out` cannot be written.
    """
    config = read_config(base)
    family = find_architecture(config, str(base))
    weights = {tensor.name: tensor.shape for tensor in list_tensors(base)}
    names = gguf.get_tensor_name_map(family.arch, config["num_hidden_layers"])
    rank = len(next(iter(adapter.pairs.values()))[0])
    writer = gguf.GGUFWriter(None, gguf.MODEL_ARCH_NAMES[family.arch])
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_name(adapter.folder.resolve().name)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, adapter.scale * rank)
    if adapter.invocation:
        writer.add_key_value(
            gguf.Keys.Adapter.ALORA_INVOCATION_TOKENS,
            list(adapter.invocation),
            gguf.GGUFValueType.ARRAY,
            gguf.GGUFValueType.UINT32,
        )
    if backbone:
        writer.add_string(BACKBONE_KEY, backbone)
    write_extra(writer, extra or {})
    for source, (a, b) in adapter.pairs.items():
        if weights.get(source) != (len(b), a.shape[1]):
            raise InputError(
                f"{adapter.folder} is not an adapter of {base}: {source} differs",
                "name the base that it is of",
            )
        target = names.get_name(source, try_suffixes=(".weight",))
        if target is None:
            raise InputError(f"{adapter.folder}: llama.cpp has no place for {source}", "train other targets")
        where = f"{adapter.folder}: {source}"
        rows = interleave(b, head_width(config)) if is_permuted(source, family) else b
        for half, matrix in (("a", a), ("b", rows)):
            written = _matrix_type(matrix, ADAPTER_TYPES[kind])
            data = to_type(matrix, written, where)
            writer.add_tensor(f"{target}.lora_{half}", data, raw_dtype=written)
    try:
        with replacing(out) as partial, closing_writer(writer):
            writer.write_header_to_file(partial)
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
    except OSError as error:
        raise cannot_write(out, error) from None
    return out


def import_delta(delta: Delta, model: Path) -> LoraAdapter:
    """Return an adapter in GGUF as peft names its weights, over the checkpoint folder `model`.

    The inverse of `write_adapter`. Raise InputError where the checkpoint lacks a weight
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


def _matrix_type(matrix: NDArray[np.float32], wanted: Type) -> Type:
    """Return `wanted`, or f16 where a row is not a whole number of its blocks."""
    block, _ = gguf.GGML_QUANT_SIZES[wanted]
    return wanted if matrix.shape[-1] % block == 0 else Type.F16
