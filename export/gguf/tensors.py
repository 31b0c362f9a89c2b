"""A checkpoint's tensors as a GGUF file holds them, and back: names, order of rows, and type.

They are converted and written a block of rows at a time. `plan_tensors` plans the GGUF file of a
checkpoint, `plan_weights` the checkpoint of a GGUF file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from numpy.typing import NDArray

from agent.errors import InputError
from export.gguf.architectures import ATTENTION, HEAD_NORMS, MLP, Architecture, Config, head_width, is_tied
from export.gguf.reader import GgufFile, StoredGgufTensor
from export.gguf.rope import ROPE_FACTORS
from train.model.weights.reader import StoredTensor, narrow

FloatType = Literal["f32", "f16", "bf16", "q8_0"]
TYPES: dict[FloatType, Type] = {"f32": Type.F32, "f16": Type.F16, "bf16": Type.BF16, "q8_0": Type.Q8_0}
"""The types of matrices; vectors and norms are always float32."""
_SIZES = ("hidden_size", "intermediate_size", "num_attention_heads")
_FLOAT_NAMES = {Type.F16: "F16", Type.BF16: "BF16"}
_OUTSIDE = ("model.embed_tokens", "model.norm", "lm_head")
"""The modules outside the layers; the last is left out where embeddings are tied."""
_LAYER_NORMS = ("input_layernorm", "post_attention_layernorm")
_UNUSED = (".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq")
"""Tensors of old checkpoints that are computed, not trained."""


@dataclass(frozen=True)
class GgufTensor:
    """A tensor of a GGUF file: its name there, its type, and its source."""

    name: str
    type: Type
    stored: StoredTensor
    permuted_head: int
    """Rows of a head, where rows are permuted for llama.cpp's rope; 0 where they are not."""
    offset: float
    """Added to every number."""

    @property
    def bytes(self) -> int:
        """Bytes in the file, without padding."""
        block, size = gguf.GGML_QUANT_SIZES[self.type]
        return prod(self.stored.shape) // block * size

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield the rows as they are stored. Raise InputError for a number that the type cannot hold."""
        where = f"{self.stored.file}: {self.stored.name}"
        for rows in self.stored.blocks(self.permuted_head or 1):
            values = interleave(rows, self.permuted_head) if self.permuted_head else rows
            yield to_type(values + np.float32(self.offset) if self.offset else values, self.type, where)


def plan_tensors(
    stored: Sequence[StoredTensor], config: Config, family: Architecture, kind: FloatType, where: str
) -> list[GgufTensor]:
    """Return the tensors of a checkpoint's GGUF file, in the checkpoint's order.

    Raise InputError naming `where` and a tensor that llama.cpp does not have, that is missing, or whose shape
    is not the config's.
    """
    layers = config["num_hidden_layers"]
    if layers > len(stored):
        raise InputError(
            f"{where}: config.json says {layers} layers, and there are {len(stored)} tensors in all",
            "put the right config.json beside the weights",
        )
    shapes = _shapes(config)
    names = gguf.get_tensor_name_map(family.arch, layers)
    tied = is_tied(config, family)
    planned = []
    for tensor in stored:
        if tensor.name.endswith(_UNUSED) or (tied and tensor.name == "lm_head.weight"):
            continue
        target = names.get_name(tensor.name, try_suffixes=(".weight", ".bias"))
        if target is None:
            raise InputError(
                f"{where}: llama.cpp has no place for {tensor.name}", "export another architecture"
            )
        wanted = next((shape for ending, shape in shapes.items() if tensor.name.endswith(ending)), None)
        if wanted and tensor.shape != wanted:
            raise InputError(
                f"{where}: {tensor.name} is {_format_shape(tensor.shape)},"
                f" and by config.json {_format_shape(wanted)}",
                "put the right config.json beside the weights",
            )
        norm = target.endswith("_norm.weight")
        written = Type.F32 if len(tensor.shape) < 2 or norm else TYPES[kind]
        if written == Type.Q8_0 and prod(tensor.shape[-1:]) % gguf.GGML_QUANT_SIZES[Type.Q8_0][0]:
            written = Type.F16
        head = head_width(config) if is_permuted(tensor.name, family) else 0
        planned.append(GgufTensor(target, written, tensor, head, family.norm_offset if norm else 0.0))
    _require_all(planned, layers, tied, where)
    return planned


@dataclass(frozen=True)
class Weight:
    """A tensor of a checkpoint: its name there, its type, and its source in a GGUF file."""

    name: str
    dtype: str
    """`F16` and `BF16` as in the source, else `F32`."""
    stored: StoredGgufTensor
    permuted_head: int
    """As in `GgufTensor`."""
    offset: float
    """Subtracted from every number."""

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield the rows as they are stored. Raise InputError as `StoredGgufTensor.blocks` does."""
        for rows in self.stored.blocks(self.permuted_head or 1):
            values = deinterleave(rows, self.permuted_head) if self.permuted_head else rows
            yield narrow(values - np.float32(self.offset) if self.offset else values, self.dtype)


def plan_weights(file: GgufFile, config: Config, family: Architecture) -> list[Weight]:
    """Return the tensors of the checkpoint of a GGUF file, in the file's order.

    `config` holds its sizes and its `vocab_size`. Raise InputError for a tensor that the family does not
    have, that is missing, or whose shape is not by the sizes.
    """
    layers, where = config["num_hidden_layers"], str(file.path)
    if layers > len(file.tensors):
        raise InputError(f"{where} has {layers} layers and {len(file.tensors)} tensors", "get the file again")
    sources = _checkpoint_names(family, layers)
    planned = []
    for target, stored in file.tensors.items():
        if target == ROPE_FACTORS and family.arch == gguf.MODEL_ARCH.LLAMA:
            continue
        if target not in sources:
            raise InputError(f"{where}: a {family.model_type} has no tensor {target}", "take another model")
        name, wanted = sources[target], _shape_of(sources[target], config)
        if stored.shape != wanted:
            raise InputError(
                f"{where}: {target} is {_format_shape(stored.shape)}, and by the metadata"
                f" {_format_shape(wanted)}",
                "get the file again",
            )
        head = head_width(config) if is_permuted(name, family) else 0
        dtype = _FLOAT_NAMES.get(stored.type, "F32")
        norm = target.endswith("_norm.weight")
        planned.append(Weight(name, dtype, stored, head, family.norm_offset if norm else 0.0))
    _require_weights({weight.name for weight in planned}, family, layers, where)
    return planned


def bias_flags(weights: Sequence[Weight], family: Architecture) -> dict[str, bool]:
    """Return the fields of a config.json that say which modules have a bias."""
    names = {weight.name for weight in weights}
    return {flag: f"model.layers.0.{modules[0]}.bias" in names for flag, modules in family.biases.items()}


def _checkpoint_names(family: Architecture, layers: int) -> dict[str, str]:
    """Return the name of each tensor in a checkpoint of the family, by llama.cpp's."""
    modules = (*_LAYER_NORMS, *family.norms, *ATTENTION, *MLP)
    weights = [*_OUTSIDE, *(f"model.layers.{layer}.{name}" for layer in range(layers) for name in modules)]
    names = gguf.get_tensor_name_map(family.arch, layers)
    found = {}
    for name in (f"{weight}{ending}" for weight in weights for ending in (".weight", ".bias")):
        target = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert target, f"llama.cpp has no place for {name}"
        found[target] = name
    return found


def _shape_of(name: str, config: Config) -> tuple[int, ...]:
    """Return the shape of the tensor `name` of a checkpoint: a matrix, its bias, or a norm."""
    stem, _, kind = name.rpartition(".")
    for ending, shape in _shapes(config).items():
        if f"{stem}.weight".endswith(ending):
            return shape if kind == "weight" else shape[:1]
    return (head_width(config) if stem.endswith(HEAD_NORMS) else config["hidden_size"],)


def _require_weights(names: set[str], family: Architecture, layers: int, where: str) -> None:
    """Raise InputError where a tensor is missing; biases may be, of all modules of a flag in all layers."""
    modules = [*(f"{name}.weight" for name in (*_LAYER_NORMS, *family.norms, *ATTENTION, *MLP))]
    modules += [f"{name}.bias" for name in family.biased]
    for flagged in family.biases.values():
        biases = [f"{name}.bias" for name in flagged]
        if any(name.endswith(tuple(biases)) for name in names):
            modules += biases
    wanted = {f"model.layers.{layer}.{name}" for layer in range(layers) for name in modules}
    missing = sorted((wanted | {f"{name}.weight" for name in _OUTSIDE[:2]}) - names)
    if missing:
        raise InputError(
            f"{where} lacks {len(missing)} tensors, {missing[0]} among them (transformers' name)",
            "get the file again",
        )
    surplus = sorted(names - wanted - {f"{name}.weight" for name in _OUTSIDE})
    if surplus:
        raise InputError(f"{where}: a {family.model_type} has no {surplus[0]}", "take another model")


def _shapes(config: Config) -> dict[str, tuple[int, int]]:
    """Return the shape of each kind of matrix, by the end of its name; the same in all families."""
    hidden, inner, heads = (config[key] for key in _SIZES)
    width = head_width(config)
    keys = width * config.get("num_key_value_heads", heads)
    return {
        **dict.fromkeys(("embed_tokens.weight", "lm_head.weight"), (config["vocab_size"], hidden)),
        "q_proj.weight": (width * heads, hidden),
        **dict.fromkeys(("k_proj.weight", "v_proj.weight"), (keys, hidden)),
        "o_proj.weight": (hidden, width * heads),
        **dict.fromkeys(("gate_proj.weight", "up_proj.weight"), (inner, hidden)),
        "down_proj.weight": (hidden, inner),
    }


def _format_shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _require_all(planned: Sequence[GgufTensor], layers: int, tied: bool, where: str) -> None:
    """Raise InputError where a layer lacks what another has, or a tensor outside the layers is missing."""
    names = {tensor.name for tensor in planned}
    inner = {name.split(".", 2)[2] for name in names if name.startswith("blk.")}
    wanted = {"token_embd.weight", "output_norm.weight"} | (set() if tied else {"output.weight"})
    wanted |= {f"blk.{layer}.{name}" for layer in range(layers) for name in inner}
    missing = sorted(wanted - names)
    if missing:
        raise InputError(
            f"{where} lacks {len(missing)} tensors, {missing[0]} among them (llama.cpp's name)",
            "get the checkpoint again",
        )


def is_permuted(name: str, family: Architecture) -> bool:
    """Return whether the rows of the weight `name`, or of the B of its adapter, are permuted."""
    return family.interleaved_rope and ".self_attn." in name and (".q_proj." in name or ".k_proj." in name)


def interleave(rows: NDArray[np.float32], head: int) -> NDArray[np.float32]:
    """Permute the rows of each head of `head` rows from two halves to pairs, as llama.cpp's rope has them."""
    halves = rows.reshape(-1, 2, head // 2, *rows.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(rows.shape)


def deinterleave(rows: NDArray[np.float32], head: int) -> NDArray[np.float32]:
    """Undo `interleave`."""
    pairs = rows.reshape(-1, head // 2, 2, *rows.shape[1:])
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(rows.shape)


def to_type(values: NDArray[np.float32], kind: Type, where: str) -> NDArray[Any]:
    """Return float32 numbers as type `kind`. Raise InputError naming `where` for one that it cannot hold."""
    if not np.isfinite(values).all():
        raise InputError(f"{where} holds NaN or infinity", "train or get it again")
    with np.errstate(over="ignore"):
        written = gguf.quants.quantize(values, kind)
    if kind == Type.F16 and (written.view(np.uint16) & 0x7C00).max(initial=0) == 0x7C00:
        raise InputError(f"{where} is too large for f16", "write bf16 or f32 instead")
    return written
