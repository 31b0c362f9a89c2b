"""A peft adapter as a GGUF adapter that llama.cpp applies.

llama.cpp scales an adapter by alpha / rank and does not know where an activated one starts: the ids that
activate it are metadata, which umi's engine reads.
"""

from __future__ import annotations

from pathlib import Path

import gguf

from agent.bundle.deltas.merge import closing_writer
from agent.bundle.manifest import BACKBONE_KEY
from agent.errors import InputError, cannot_write
from agent.paths import replacing
from export.card.provenance import Extra, write_extra
from export.gguf.architectures import find_architecture, head_width
from export.gguf.tensors import TYPES, FloatType, interleave, is_permuted, to_type
from train.model.weights.adapter import LoraAdapter
from train.model.weights.reader import list_tensors, read_config


def write_adapter(
    adapter: LoraAdapter,
    base: Path,
    out: Path,
    kind: FloatType,
    *,
    backbone: str = "",
    extra: Extra | None = None,
) -> Path:
    """Write an adapter of the checkpoint in `base` to `out`, its matrices in `kind`; return `out`.

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
        writer.add_tensor(f"{target}.lora_a", to_type(a, TYPES[kind], where))
        writer.add_tensor(f"{target}.lora_b", to_type(rows, TYPES[kind], where))
    try:
        with replacing(out) as partial, closing_writer(writer):
            writer.write_header_to_file(partial)
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
    except OSError as error:
        raise cannot_write(out, error) from None
    return out
