"""A Hugging Face checkpoint folder as one GGUF file, without torch and a block of rows at a time."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from agent.errors import InputError, UmiError, cannot_write
from export.card.provenance import Extra, write_extra
from export.gguf.architectures import Config, add_shape, find_architecture, head_width
from export.gguf.checkpoint import list_tensors
from export.gguf.rope import Rope, llama3_factors
from export.gguf.tensors import FloatType, Written, plan
from export.gguf.vocabulary import load_vocabulary

_FILE_TYPES = {
    "f32": gguf.LlamaFileType.ALL_F32,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "bf16": gguf.LlamaFileType.MOSTLY_BF16,
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
}
_ROPE_FACTORS = "rope_freqs.weight"
_TELL_EVERY_S = 5.0
_MAGIC = b"GGUF"


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

    `name` is the model's, by default the folder's and what its model card says. `end` is the token that ends
    a turn of a model trained on umi's transcripts, `template` the chat template that writes them (Jinja);
    without them the tokenizer's own. `extra` is metadata that is added. `say` hears of progress.
    Raises InputError where the architecture, the tokenizer or a number cannot be written, UmiError where the
    disk is full.
    """
    require_replaceable(out)
    config = read_config(folder)
    family = find_architecture(config, str(folder))
    tensors = plan(list_tensors(folder), config, family, kind, str(folder))
    writer = gguf.GGUFWriter(None, gguf.MODEL_ARCH_NAMES[family.arch])
    rope = add_shape(writer, config, family, str(folder))
    factors = _rope_factors(rope, config)
    if factors is not None:
        writer.add_tensor_info(_ROPE_FACTORS, factors.shape, factors.dtype, factors.nbytes)
    for tensor in tensors:
        shape = tensor.stored.shape
        writer.add_tensor_info(tensor.name, shape, np.dtype(np.float32), tensor.bytes, tensor.type)
    _add_general(writer, folder, name)
    writer.add_file_type(_FILE_TYPES[kind])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    load_vocabulary(folder, config, end, template).write(writer)
    write_extra(writer, extra or {})
    _write(writer, factors, tensors, out, say or (lambda _: None))
    return out


def require_replaceable(out: Path) -> None:
    """Raise InputError where `out` is there and no GGUF file: it may be a part of the checkpoint itself."""
    if out.is_dir():
        raise InputError(f"{out} is a folder", "name the file to make")
    if out.is_file():
        with out.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise InputError(f"{out} is there and no GGUF file", "name another file, or remove it")


def read_config(folder: Path) -> dict[str, Any]:
    """A checkpoint's config.json. Raises InputError where there is none."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        config = None
    if not isinstance(config, dict):
        raise InputError(f"{folder} has no readable config.json", "give a checkpoint folder")
    return config


def _rope_factors(rope: Rope, config: Config) -> NDArray[np.float32] | None:
    """The tensor that scales a Llama 3's positions; none for other models."""
    return llama3_factors(rope, head_width(config)) if rope.kind == "llama3" else None


def _add_general(writer: gguf.GGUFWriter, folder: Path, name: str) -> None:
    """What a model is called and where it comes from. A name that is given stands alone."""
    sizes = writer.get_total_parameter_count()
    card = gguf.Metadata(name=name) if name else gguf.Metadata.load(None, folder.resolve(), None, sizes[0])
    card.name = card.name or folder.resolve().name
    card.size_label = card.size_label or gguf.size_label(*sizes)
    writer.add_type(gguf.GGUFType.MODEL)
    card.set_gguf_meta_model(writer)


def _write(
    writer: gguf.GGUFWriter,
    factors: NDArray[np.float32] | None,
    tensors: Sequence[Written],
    out: Path,
    say: Callable[[str], None],
) -> None:
    """Write the file beside `out` and move it there when it is whole."""
    part = out.with_name(out.name + ".part")
    total, done, told = sum(tensor.bytes for tensor in tensors), 0, time.monotonic()
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(part.parent).free
        if free < total:
            raise UmiError(
                f"{out} takes {total / 1e6:.0f} MB and {free / 1e6:.0f} MB are free",
                "free space or write elsewhere",
            )
        writer.write_header_to_file(part)
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        writer.close()
        with part.open("ab") as file:
            for blocks in _contents(factors, tensors):
                file.write(b"\0" * (-file.tell() % writer.data_alignment))
                for block in blocks:
                    done += file.write(block.data)
                    if time.monotonic() - told > _TELL_EVERY_S:
                        told = time.monotonic()
                        say(f"{out.name}: {done / 1e6:.0f} of {total / 1e6:.0f} MB")
            file.write(b"\0" * (-file.tell() % writer.data_alignment))
        part.replace(out)
    except OSError as error:
        raise cannot_write(out, error) from None
    finally:
        abandon(writer, part)


def abandon(writer: gguf.GGUFWriter, part: Path) -> None:
    """Close a writer and remove its unfinished file, if there is one, whatever state the disk is in."""
    with suppress(OSError):  # what is still to be flushed may not fit either
        writer.close()
    with suppress(OSError):
        part.unlink(missing_ok=True)


def _contents(
    factors: NDArray[np.float32] | None, tensors: Sequence[Written]
) -> Iterator[Iterator[NDArray[Any]]]:
    """The tensors in the order they were announced, each as its blocks."""
    if factors is not None:
        yield iter([factors])
    for tensor in tensors:
        yield tensor.blocks()
