"""Models of random weights for a measurement: their values do not matter, their types and sizes do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np

from agent.llama.gguf.header import TYPES

SCALES: Mapping[int, tuple[int, ...]] = {
    **{2: (0,), 3: (0, 2), 6: (0,), 7: (0, 2), 8: (0,)},  # Q4_0, Q4_1, Q5_0, Q5_1, Q8_0
    **{12: (0, 2), 13: (0, 2), 14: (208,)},  # Q4_K, Q5_K, Q6_K
}
"""Where the float16 scales of a block are, in bytes from its beginning, by ggml's number of the type."""
_SCALE = np.float16(0.001)
"""Small, so that no value overflows in eight layers."""
_WORDS = 256


def write_probe(path: Path, kind: int, *, hidden: int, feed_forward: int, layers: int) -> None:
    """Write a model of the architecture `llama` whose matrices are random blocks of the type `kind`.

    `hidden` and `feed_forward` are multiples of 256. Raise OSError where it cannot be written.
    """
    random = np.random.default_rng(0)
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(512)
    writer.add_embedding_length(hidden)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(feed_forward)
    writer.add_head_count(hidden // 64)
    writer.add_head_count_kv(hidden // 64)
    writer.add_rope_dimension_count(64)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([f"t{number}" for number in range(_WORDS)])
    writer.add_token_types([gguf.TokenType.NORMAL] * _WORDS)
    writer.add_token_merges(["t 0"])
    writer.add_eos_token_id(0)
    writer.add_bos_token_id(0)

    def matrix(name: str, rows: int, columns: int) -> None:
        block, size = TYPES[kind]
        data = random.integers(0, 256, (rows, columns // block, size), dtype=np.uint8)
        for at in SCALES[kind]:
            data[:, :, at : at + 2] = np.frombuffer(_SCALE.tobytes(), np.uint8)
        writer.add_tensor(name, data.reshape(rows, -1), raw_dtype=gguf.GGMLQuantizationType(kind))

    def ones(name: str) -> None:
        writer.add_tensor(name, np.ones(hidden, np.float32))

    matrix("token_embd.weight", _WORDS, hidden)
    ones("output_norm.weight")
    for layer in range(layers):
        ones(f"blk.{layer}.attn_norm.weight")
        ones(f"blk.{layer}.ffn_norm.weight")
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            matrix(f"blk.{layer}.{part}.weight", hidden, hidden)
        matrix(f"blk.{layer}.ffn_gate.weight", feed_forward, hidden)
        matrix(f"blk.{layer}.ffn_up.weight", feed_forward, hidden)
        matrix(f"blk.{layer}.ffn_down.weight", hidden, feed_forward)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
