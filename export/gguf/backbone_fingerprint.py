"""The fingerprint of the backbone that an adapter was trained over, in the metadata of both GGUF files.

Adapters of another backbone of the same shape load without an error and generate nonsense; llama.cpp compares
shapes only. Quantizing keeps metadata, so the fingerprint of the float32 weights stays with all files made of
them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import gguf

from agent.bundle.deltas.merge import closing_writer, copy_fields
from agent.bundle.manifest import BACKBONE_KEY
from agent.paths import replacing


def add_fingerprint(file: Path) -> str:
    """Add the sha256 of a GGUF file's tensors to its metadata; return it in hex."""
    digest = hashlib.sha256()
    for tensor in sorted(gguf.GGUFReader(file).tensors, key=lambda tensor: tensor.name):
        digest.update(tensor.name.encode())
        digest.update(tensor.data.data)
    write_fingerprint(file, digest.hexdigest())
    return digest.hexdigest()


def write_fingerprint(file: Path, fingerprint: str) -> None:
    """Set a backbone's fingerprint in the metadata of a GGUF file, which is replaced."""
    reader = gguf.GGUFReader(file)
    writer = gguf.GGUFWriter(None, reader.fields[gguf.Keys.General.ARCHITECTURE].contents())
    with replacing(file) as partial, closing_writer(writer):
        copy_fields(writer, reader.fields)
        writer.add_string(BACKBONE_KEY, fingerprint)
        for tensor in reader.tensors:
            data = tensor.data
            writer.add_tensor_info(tensor.name, data.shape, data.dtype, data.nbytes, tensor.tensor_type)
        writer.write_header_to_file(partial)
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in reader.tensors:
            writer.write_tensor_data(tensor.data)
