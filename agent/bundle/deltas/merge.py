"""LoRA adapters merged into a base, all of them GGUF files: the f32 file that a model is quantized from.

The tensors of the base are dequantized and written a block of rows at a time, without torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

from agent.bundle.deltas.lora import Rows, add_lora
from agent.bundle.deltas.nf4 import Nf4, is_quantized, read_nf4
from agent.errors import BundleError, InputError, cannot_write
from agent.llama.gguf.header import read_header
from agent.paths import replacing

BLOCK = 1 << 20
"""Numbers dequantized at once: 4 MB in float32."""
_A, _B = ".lora_a", ".lora_b"
_OVERRIDING = ("general.", "tokenizer.", "umi.")
"""Metadata that the last adapter may set in the merged file: name, provenance, chat template, end token."""
_OWN = ("general.architecture", "general.type", "general.file_type", "general.quantization_version")
"""Metadata that is set for each file and never copied."""
_AGAIN = "get or export that bundle again (umi export bundle)"


@dataclass(frozen=True)
class Base:
    """A GGUF model that adapters are added to. Opening it takes seconds, so several merges share it."""

    file: Path
    reader: gguf.GGUFReader

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor, the rows first."""
        return {
            tensor.name: tuple(int(size) for size in reversed(tensor.shape)) for tensor in self.reader.tensors
        }

    @property
    def f32_bytes(self) -> int:
        """The size of the tensors in f32."""
        return sum(4 * math.prod(shape) for shape in self.shapes.values())


@dataclass(frozen=True)
class Delta:
    """A GGUF LoRA adapter that is added to a model."""

    file: Path
    scale: float
    """alpha / rank."""
    pairs: Mapping[str, tuple[Rows, Rows]]
    """A [rank, inputs] and B [outputs, rank], float32, by the name of the model's tensor."""
    fields: Mapping[str, Any]
    """The file's metadata, gguf.ReaderField by key."""
    nf4: Nf4 | None = None
    """How the base was held in training; None where the adapter is added to the base's own weights."""


def read_base(file: Path) -> Base:
    """Open a base. Raise BundleError where it cannot be read."""
    return Base(file, _open(file, "get that base again"))


def read_delta(file: Path) -> Delta:
    """Read an adapter. Raise BundleError where it is not a plain LoRA adapter, or is damaged."""
    reader = _open(file, _AGAIN)
    matrices = {
        tensor.name: _dequantized(file, tensor.data, tensor.tensor_type, _AGAIN) for tensor in reader.tensors
    }
    alpha = reader.fields.get(gguf.Keys.Adapter.LORA_ALPHA)
    if alpha is None or gguf.Keys.Adapter.ALORA_INVOCATION_TOKENS in reader.fields:
        raise BundleError(f"{file} is not an adapter that can be merged", _AGAIN)
    pairs: dict[str, tuple[Rows, Rows]] = {}
    for name, a in matrices.items():
        b = matrices.get(name.removesuffix(_A) + _B)
        if name.endswith(_B) and name.removesuffix(_B) + _A in matrices:
            continue
        if not name.endswith(_A) or b is None or a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1]:
            raise BundleError(f"{file} is damaged: {name} is not half of a pair", _AGAIN)
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            raise BundleError(f"{file} is damaged: {name} holds NaN or infinity", _AGAIN)
        pairs[name.removesuffix(_A)] = a, b
    ranks = {len(a) for a, _ in pairs.values()}
    scale = float(alpha.contents()) / min(ranks) if len(ranks) == 1 and min(ranks) else math.nan
    if not math.isfinite(scale):
        raise BundleError(f"{file} is damaged: it has no pairs of one rank, or no alpha", _AGAIN)
    try:
        nf4 = read_nf4(reader.fields)
    except ValueError as error:
        raise BundleError(f"{file} is damaged: {error}", _AGAIN) from None
    return Delta(file, scale, pairs, reader.fields, nf4)


def merge(base: Base, deltas: Sequence[Delta], out: Path) -> Path:
    """Write `base` with `deltas` added, in this order, to the f32 GGUF file `out`; return `out`.

    The last of `deltas` says whether they are added to the base's own weights or to what NF4 holds of them.
    Metadata is the base's, except for what the last of `deltas` sets. Raise BundleError where a delta is not
    one of this base, InputError where the base cannot be read, UmiError where `out` cannot be written.
    """
    fields = base.reader.fields
    architecture = fields[gguf.Keys.General.ARCHITECTURE].contents()
    _require_fit(base, architecture, deltas)
    writer = gguf.GGUFWriter(None, architecture)
    overriding = {
        key: field
        for key, field in deltas[-1].fields.items()
        if key.startswith(_OVERRIDING) and key not in _OWN
    }
    kept = {
        key: field
        for key, field in fields.items()
        if key not in _OWN and not key.startswith(("quantize.", "split."))
    }
    writer.add_type(gguf.GGUFType.MODEL)
    copy_fields(writer, {**kept, **overriding})
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    float32 = np.dtype(np.float32)
    for name, shape in base.shapes.items():
        writer.add_tensor_info(name, shape, float32, 4 * math.prod(shape), Type.F32)
    try:
        with replacing(out) as partial, closing_writer(writer):
            writer.write_header_to_file(partial)
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            writer.close()
            with partial.open("ab") as file:
                for tensor in base.reader.tensors:
                    file.write(b"\0" * (-file.tell() % writer.data_alignment))
                    for block in _merged_blocks(base.file, tensor, deltas):
                        file.write(block.data)
                file.write(b"\0" * (-file.tell() % writer.data_alignment))
    except OSError as error:
        raise cannot_write(out, error) from None
    return out


def copy_fields(writer: gguf.GGUFWriter, fields: Mapping[str, Any]) -> None:
    """Add metadata of a reader to a file, except for its architecture and the header's own counts."""
    for key, field in fields.items():
        if key == gguf.Keys.General.ARCHITECTURE or key.startswith("GGUF."):
            continue
        inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(key, field.contents(), field.types[0], sub_type=inner)


@contextmanager
def closing_writer(writer: gguf.GGUFWriter) -> Iterator[None]:
    """Close `writer` at the end; after an error in the block, ignore OSError from flushing its buffer."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            writer.close()
        raise
    writer.close()


def _open(file: Path, hint: str) -> gguf.GGUFReader:
    """Open a GGUF file. Raise BundleError, with `hint` as the next step, where it cannot be read."""
    read_header(file, hint)
    try:
        reader = gguf.GGUFReader(file)
        if gguf.Keys.General.ARCHITECTURE in reader.fields:
            return reader
        why = "it names no architecture"
    except (OSError, ValueError, KeyError, IndexError, OverflowError, UnicodeDecodeError) as error:
        why = " ".join(str(error).split())
    raise BundleError(f"{file} is damaged: {why}", hint)


def _require_fit(base: Base, architecture: str, deltas: Sequence[Delta]) -> None:
    """Raise BundleError where a delta changes a tensor that the base lacks or that has another shape."""
    shapes = base.shapes
    for delta in deltas:
        own = delta.fields[gguf.Keys.General.ARCHITECTURE].contents()
        if own != architecture:
            raise BundleError(
                f"{delta.file} is an adapter of {own} models, and {base.file} is of {architecture}", _AGAIN
            )
        for name, (a, b) in delta.pairs.items():
            if shapes.get(name) != (len(b), a.shape[1]):
                raise BundleError(
                    f"{delta.file} does not fit {base.file}: the shape of {name} differs", _AGAIN
                )
    if nf4 := deltas[-1].nf4:
        for name, shape in shapes.items():
            if is_quantized(name, shape) and (why := nf4.misfit(name, shape)):
                raise BundleError(f"{deltas[-1].file} is over {base.file} in NF4, and {why}", _AGAIN)


def _merged_blocks(base: Path, tensor: gguf.ReaderTensor, deltas: Sequence[Delta]) -> Iterator[Rows]:
    """Yield the rows of a tensor of the base in order, float32, with `deltas` added."""
    shape = tuple(int(size) for size in reversed(tensor.shape))
    blocks, nf4 = _base_blocks(base, tensor), deltas[-1].nf4
    if nf4 and is_quantized(tensor.name, shape):
        blocks = nf4.round_trip(tensor.name, blocks, _base_blocks(base, tensor))
    first = 0
    for block in blocks:
        for delta in deltas:
            if tensor.name in delta.pairs:
                add_lora(block, first, delta.scale, *delta.pairs[tensor.name])
        yield block
        first += len(block)


def _base_blocks(base: Path, tensor: gguf.ReaderTensor) -> Iterator[Rows]:
    """Yield the rows of a tensor of the base in order, float32."""
    data, shape = tensor.data, tensor.shape
    rows = data.reshape(-1, data.shape[-1]) if data.ndim > 1 else data.reshape(1, -1)
    height = max(1, BLOCK // max(1, int(shape[0])))
    for first in range(0, len(rows), height):
        yield _dequantized(base, rows[first : first + height], tensor.tensor_type, "take another base")


def _dequantized(file: Path, data: Any, kind: Type, hint: str) -> Rows:
    """Return numbers of a GGUF file as a new float32 array. Raise InputError for a type gguf cannot read."""
    try:
        return np.array(gguf.dequantize(data, kind), np.float32)
    except (NotImplementedError, ValueError) as error:
        raise InputError(f"{file} cannot be read: {error or kind.name}", hint) from None
