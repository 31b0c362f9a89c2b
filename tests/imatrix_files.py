"""Importance matrices written in llama.cpp's two formats."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import gguf
import numpy as np

MEANS = {"blk.0.attn_q.weight": [1.0, 0.0, 2.5, 1e-9], "blk.0.ffn_down.weight": [3.0] * 6}


def write_legacy(file: Path, means: Mapping[str, Sequence[float]] = MEANS, calls: int = 4) -> Path:
    content = struct.pack("<i", len(means))
    for name, values in means.items():
        content += struct.pack("<i", len(name)) + name.encode() + struct.pack("<ii", calls, len(values))
        content += struct.pack(f"<{len(values)}f", *(value * calls for value in values))
    file.write_bytes(content + struct.pack("<ii", calls, 15) + b"/home/x/wiki.tx")
    return file


def write_gguf(file: Path, means: Mapping[str, Sequence[float]] = MEANS, count: float = 512.0) -> Path:
    writer = gguf.GGUFWriter(None, "unused")
    writer.add_type("imatrix")
    writer.add_array("imatrix.datasets", ["C:\\texts\\wiki.txt"])
    writer.add_array("an.array.of.numbers", [1, 2, 3])
    writer.add_uint32("imatrix.chunk_count", 7)
    for name, values in means.items():
        writer.add_tensor(f"{name}.in_sum2", np.array([values], np.float32) * np.float32(count))
        writer.add_tensor(f"{name}.counts", np.array([[count]], np.float32))
    writer.write_header_to_file(file)
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file
