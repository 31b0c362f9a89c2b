"""Which backbone an adapter was trained over: a mark in the metadata of both GGUF files.

Adapters of another backbone of the same shape load without complaint and write nonsense; llama.cpp compares
shapes only. Quantizing keeps metadata, so the mark of the float32 weights stays with every file made of them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import gguf

from agent.bundle.manifest import BACKBONE_KEY
from export.gguf.convert import abandon


def sign(file: Path) -> str:
    """Mark a GGUF file with the hash of its own tensors; returns that (a sha256 in hex)."""
    digest = hashlib.sha256()
    for tensor in sorted(gguf.GGUFReader(file).tensors, key=lambda tensor: tensor.name):
        digest.update(tensor.name.encode())
        digest.update(tensor.data.data)
    write_mark(file, digest.hexdigest())
    return digest.hexdigest()


def write_mark(file: Path, mark: str) -> None:
    """Add a backbone's mark to the metadata of a GGUF file, which is written anew."""
    reader = gguf.GGUFReader(file)
    part = file.with_name(file.name + ".part")
    writer = gguf.GGUFWriter(None, reader.fields[gguf.Keys.General.ARCHITECTURE].contents())
    try:
        for field in reader.fields.values():
            # The architecture and the header's own counts are written by the writer.
            if field.name == gguf.Keys.General.ARCHITECTURE or field.name.startswith("GGUF."):
                continue
            inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=inner)
        writer.add_string(BACKBONE_KEY, mark)
        for tensor in reader.tensors:
            data = tensor.data
            writer.add_tensor_info(tensor.name, data.shape, data.dtype, data.nbytes, tensor.tensor_type)
        writer.write_header_to_file(part)
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in reader.tensors:
            writer.write_tensor_data(tensor.data)
        writer.close()
        part.replace(file)
    finally:
        abandon(writer, part)
