"""A peft adapter read from its folder, and written as a GGUF adapter that llama.cpp applies.

llama.cpp scales an adapter by alpha / rank and knows nothing of where an activated one starts: the ids that
switch it on are metadata, which the engine obeys.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import gguf
import torch
from torch import Tensor

from agent.bundle.manifest import BACKBONE_KEY
from agent.errors import InputError, cannot_write
from export.card.provenance import Extra, write_extra
from export.gguf.architectures import find_architecture, head_width
from export.gguf.checkpoint import list_tensors
from export.gguf.convert import abandon, read_config
from export.gguf.tensors import TYPES, FloatType, as_written, interleave, reordered

_SUFFIX = ".lora_A.weight"


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter: W becomes W + scale * B @ A for each weight it names."""

    folder: Path
    scale: float
    invocation: tuple[int, ...]
    """The ids that switch it on; empty for a plain adapter, which is always on."""
    base: Path | None
    """The folder or repository of the base, as the adapter names it."""
    pairs: Mapping[str, tuple[Tensor, Tensor]]
    """A [rank, inputs] and B [outputs, rank], float32, by the weight's name in the base."""


def load_adapter(folder: Path) -> Adapter:
    """Read an adapter folder. Raises InputError where it is damaged or of a kind that is not known here."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "adapter_model.safetensors")
        rank = int(config["r"])
        alpha = float(config["lora_alpha"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise InputError(f"the adapter in {folder} cannot be read: {error}", "train it again") from None
    for key in ("use_dora", "rank_pattern", "alpha_pattern", "fan_in_fan_out"):
        if config.get(key):
            raise InputError(f"{folder} uses {key}, which cannot be exported", "train a plain LoRA adapter")
    parts = (_SUFFIX, ".lora_B.weight")
    if other := next((name for name in sorted(tensors) if not name.endswith(parts)), None):
        raise InputError(
            f"{folder} holds {other}, which cannot be exported", "train an adapter of linear layers only"
        )
    scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    pairs = {}
    for name, down in tensors.items():
        if name.endswith(_SUFFIX):
            up = tensors.get(name.replace(".lora_A.", ".lora_B."))
            if up is None:
                raise InputError(f"{folder} lacks the second half of {name}", "train it again")
            target = name.removeprefix("base_model.model.").replace(_SUFFIX, ".weight")
            if not (torch.isfinite(down).all() and torch.isfinite(up).all()):
                raise InputError(f"{folder}: {target} is not a number", "train that role again")
            pairs[target] = down.float(), up.float()
    if not pairs:
        raise InputError(f"{folder} holds no LoRA matrices", "give the folder of an adapter")
    base = config.get("base_model_name_or_path")
    invocation = tuple(config.get("alora_invocation_tokens") or ())
    return Adapter(folder, scale, invocation, Path(base) if base else None, pairs)


def write_adapter(
    adapter: Adapter,
    base: Path,
    out: Path,
    kind: FloatType,
    *,
    backbone: str = "",
    extra: Extra | None = None,
) -> Path:
    """Write an adapter of the checkpoint in `base` to `out`, its matrices in `kind`; returns `out`.

    `backbone` is the mark of the model that it belongs to (see `export.gguf.backbone_mark`), `extra` metadata that
    is added. Raises InputError where it names a weight that the base lacks or llama.cpp has no place for.
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
    for source, (down, up) in adapter.pairs.items():
        if weights.get(source) != (len(up), down.shape[1]):
            raise InputError(
                f"{adapter.folder} is not an adapter of {base}: {source} differs",
                "name the base that it is of",
            )
        target = names.get_name(source, try_suffixes=(".weight",))
        if target is None:
            raise InputError(f"{adapter.folder}: llama.cpp has no place for {source}", "train other targets")
        where = f"{adapter.folder}: {source}"
        rows = up.numpy()
        if reordered(source, family):
            rows = interleave(rows, head_width(config))
        writer.add_tensor(f"{target}.lora_a", as_written(down.numpy(), TYPES[kind], where))
        writer.add_tensor(f"{target}.lora_b", as_written(rows, TYPES[kind], where))
    part = out.with_name(out.name + ".part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        writer.write_header_to_file(part)
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        part.replace(out)
    except OSError as error:
        raise cannot_write(out, error) from None
    finally:
        abandon(writer, part)
    return out
