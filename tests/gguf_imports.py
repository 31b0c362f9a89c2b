"""GGUF files to import: made of the very small base, and rewritten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from tiny_families import make_family

from export.convert import convert as convert_to_any
from export.gguf.reader import read_gguf


def silent(line: str) -> None: ...


def make_file(tmp_path: Path, family: str, kind: str = "f32", dtype: str = "float32") -> Path:
    folder = make_family(tmp_path / "original", family, dtype=dtype)
    return convert_to_any(folder, tmp_path / f"{family}.gguf", kind, silent)


def rewrite(file: Path, out: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> Path:
    """Write a GGUF file again after `change` of its metadata and its tensors (f32 arrays by name)."""
    read = read_gguf(file)
    values = dict(read.metadata)
    tensors = {name: np.concatenate([*tensor.blocks()]) for name, tensor in read.tensors.items()}
    kinds = {name: field.types for name, field in gguf.GGUFReader(file).fields.items()}
    change(values, tensors)
    writer = gguf.GGUFWriter(out, values["general.architecture"])
    for key, value in values.items():
        if key == "general.architecture":
            continue
        types = kinds.get(key) or [gguf.GGUFValueType.get_type(value)]
        writer.add_key_value(key, value, types[0], types[1] if len(types) > 1 else None)
    for name, array in tensors.items():
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out
