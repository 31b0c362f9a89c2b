"""`umi export convert`: write a checkpoint folder or a LoRA adapter as one GGUF file of any type."""

from __future__ import annotations

import tempfile
from pathlib import Path

from agent.errors import InputError, cannot_write
from agent.llama.binding.quantize import known_type, quantize
from export.gguf import convert as gguf
from export.gguf.adapter import ADAPTER_TYPES, AdapterType, write_adapter
from export.gguf.tensors import TYPES
from export.options import Say
from train.model.weights.adapter import read_adapter


def convert(checkpoint: Path, out: Path, kind: str, say: Say, *, base: Path | None = None) -> Path:
    """Write the checkpoint or adapter in folder `checkpoint` as the GGUF file `out`, and return `out`.

    `kind` is one of `TYPES`, or for a checkpoint any type that llama.cpp quantizes to; `base` is the
    checkpoint folder that an adapter was trained on, by default the one its config names. Raise InputError if
    the checkpoint cannot be converted or `out` is not to be replaced, and UmiError if it cannot be written.
    """
    gguf.require_replaceable(out)
    if (checkpoint / "adapter_config.json").is_file():
        _convert_adapter(checkpoint, base, out, kind)
    elif kind in TYPES:
        gguf.convert(checkpoint, out, kind, say=say)
    else:
        kind = known_type(kind)
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=out.parent, prefix=".umi-") as folder:
                unquantized = gguf.convert(checkpoint, Path(folder) / "f32.gguf", "f32", say=say)
                quantize(unquantized, Path(folder) / "out.gguf", kind).replace(out)
        except OSError as error:
            raise cannot_write(out, error) from None
    return out


def _convert_adapter(folder: Path, base: Path | None, out: Path, kind: str) -> None:
    """Write a peft adapter as a GGUF adapter. Raise InputError if its base is unknown or does not fit."""
    kinds: dict[str, AdapterType] = {name: name for name in ADAPTER_TYPES}
    if kind not in kinds:
        raise InputError(f"an adapter cannot be {kind}", f"choose one of {', '.join(kinds)}")
    adapter = read_adapter(folder)
    base = base or adapter.base
    if base is None or not (base / "config.json").is_file():
        which = f"{base}, the base of {folder}," if base else f"the base of {folder}"
        raise InputError(f"{which} does not exist", "name its folder with --base")
    write_adapter(adapter, base, out, kinds[kind])
