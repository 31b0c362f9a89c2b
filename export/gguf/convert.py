"""A Hugging Face checkpoint folder as one GGUF file, without torch and a block of rows at a time."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from agent.bundle.deltas.merge import closing_writer
from agent.errors import InputError, UmiError, cannot_write
from agent.paths import replacing
from export.card.provenance import Extra, write_extra
from export.gguf.architectures import Config, find_architecture, head_width
from export.gguf.hyperparameters import add_hyperparameters
from export.gguf.reader import MAGIC
from export.gguf.rope import ROPE_FACTORS, Rope, llama3_factors
from export.gguf.tensors import FloatType, GgufTensor, plan_tensors
from export.gguf.vocabulary import load_vocabulary
from export.progress import ThrottledProgress
from train.model.weights.reader import list_tensors, read_config

_FILE_TYPES = {
    "f32": gguf.LlamaFileType.ALL_F32,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "bf16": gguf.LlamaFileType.MOSTLY_BF16,
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
}


def convert(
    folder: Path,
    out: Path,
    kind: FloatType = "f32",
    *,
    name: str = "",
    end: str | None = None,
    template: str | None = None,
    extra: Extra | None = None,
    say: Callable[[str], None] | None = None,
) -> Path:
    """Write the checkpoint in `folder` to `out`, matrices in `kind`, vectors and norms in f32; return `out`.

    `name` is the model's, by default its model card's or the folder's. `end` is the token that ends a turn of
    a model trained on umi's transcripts, `template` the chat template that writes them (Jinja); by default
    both are the tokenizer's own. `extra` is added to the metadata. `say` is called with lines of progress.
    Raise InputError where the architecture, the tokenizer or a number cannot be written, UmiError where the
    disk is full.
    """
    require_replaceable(out)
    config = read_config(folder)
    family = find_architecture(config, str(folder))
    tensors = plan_tensors(list_tensors(folder), config, family, kind, str(folder))
    writer = gguf.GGUFWriter(None, gguf.MODEL_ARCH_NAMES[family.arch])
    rope = add_hyperparameters(writer, config, family, str(folder))
    factors = _rope_factors(rope, config)
    if factors is not None:
        writer.add_tensor_info(ROPE_FACTORS, factors.shape, factors.dtype, factors.nbytes)
    for tensor in tensors:
        shape = tensor.stored.shape
        writer.add_tensor_info(tensor.name, shape, np.dtype(np.float32), tensor.bytes, tensor.type)
    _add_general(writer, folder, name)
    writer.add_file_type(_FILE_TYPES[kind])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    load_vocabulary(folder, config, end, template).write(writer)
    write_extra(writer, extra or {})
    _write_file(writer, factors, tensors, out, say or (lambda _: None))
    return out


def require_replaceable(out: Path) -> None:
    """Raise InputError if `out` exists and is not a GGUF file: it may be a part of the checkpoint itself."""
    if out.is_dir():
        raise InputError(f"{out} is a folder", "name the file to make")
    if out.is_file():
        with out.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise InputError(f"{out} exists and is not a GGUF file", "name another file, or remove it")


def _rope_factors(rope: Rope, config: Config) -> NDArray[np.float32] | None:
    """Return the tensor that scales a Llama 3's rope frequencies; None for other models."""
    return llama3_factors(rope, head_width(config)) if rope.kind == "llama3" else None


def _add_general(writer: gguf.GGUFWriter, folder: Path, name: str) -> None:
    """Add the model's name and origin: `name` alone where it is given, else what its model card says."""
    sizes = writer.get_total_parameter_count()
    card = gguf.Metadata(name=name) if name else gguf.Metadata.load(None, folder.resolve(), None, sizes[0])
    card.name = card.name or folder.resolve().name
    card.size_label = card.size_label or gguf.size_label(*sizes)
    writer.add_type(gguf.GGUFType.MODEL)
    card.set_gguf_meta_model(writer)


def _write_file(
    writer: gguf.GGUFWriter,
    factors: NDArray[np.float32] | None,
    tensors: Sequence[GgufTensor],
    out: Path,
    say: Callable[[str], None],
) -> None:
    """Write the file to `out`, which appears whole."""
    total, written = sum(tensor.bytes for tensor in tensors), 0
    progress = ThrottledProgress(say)
    try:
        with replacing(out) as partial, closing_writer(writer):
            free = shutil.disk_usage(partial.parent).free
            if free < total:
                raise UmiError(
                    f"{out} takes {total / 1e6:.0f} MB and {free / 1e6:.0f} MB are free",
                    "free space or write elsewhere",
                )
            writer.write_header_to_file(partial)
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            writer.close()
            with partial.open("ab") as file:
                for blocks in _contents(factors, tensors):
                    file.write(b"\0" * (-file.tell() % writer.data_alignment))
                    for block in blocks:
                        written += file.write(block.data)
                        progress(f"{out.name}: {written / 1e6:.0f} of {total / 1e6:.0f} MB")
                file.write(b"\0" * (-file.tell() % writer.data_alignment))
    except OSError as error:
        raise cannot_write(out, error) from None


def _contents(
    factors: NDArray[np.float32] | None, tensors: Sequence[GgufTensor]
) -> Iterator[Iterator[NDArray[Any]]]:
    """Yield the blocks of each tensor, in the order of the tensor infos."""
    if factors is not None:
        yield iter([factors])
    for tensor in tensors:
        yield tensor.blocks()
