"""A very small recurrent model with random weights: its cache is a state that cannot drop positions."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import tiny_gguf

LAYERS, HIDDEN, INNER, STATE, KERNEL, RANK = 2, 64, 128, 16, 4, 4


def write_tiny_mamba(path: Path, *, seed: int = 0, chat_template: str = "") -> Path:
    """Write the model to `path` and return it."""
    random = np.random.default_rng(seed)
    tokens, merges, kinds = tiny_gguf._vocabulary()
    writer = gguf.GGUFWriter(str(path), "mamba")
    writer.add_context_length(2048)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_block_count(LAYERS)
    writer.add_ssm_conv_kernel(KERNEL)
    writer.add_ssm_inner_size(INNER)
    writer.add_ssm_state_size(STATE)
    writer.add_ssm_time_step_rank(RANK)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_add_bos_token(False)
    if chat_template:
        writer.add_chat_template(chat_template)

    def put(name: str, values: np.ndarray) -> None:
        writer.add_tensor(name, values.astype(np.float32))

    def drawn(*shape: int) -> np.ndarray:
        return random.standard_normal(shape) * 0.3

    put("token_embd.weight", drawn(len(tokens), HIDDEN) * 3)
    put("output.weight", drawn(len(tokens), HIDDEN) * 3)
    put("output_norm.weight", np.ones(HIDDEN))
    for layer in range(LAYERS):
        prefix = f"blk.{layer}"
        put(f"{prefix}.attn_norm.weight", np.ones(HIDDEN))
        put(f"{prefix}.ssm_in.weight", drawn(2 * INNER, HIDDEN))
        put(f"{prefix}.ssm_conv1d.weight", drawn(INNER, KERNEL))
        put(f"{prefix}.ssm_conv1d.bias", drawn(INNER))
        put(f"{prefix}.ssm_x.weight", drawn(RANK + 2 * STATE, INNER))
        put(f"{prefix}.ssm_dt.weight", drawn(INNER, RANK))
        put(f"{prefix}.ssm_dt.bias", drawn(INNER))
        put(f"{prefix}.ssm_a", -np.tile(np.arange(1, STATE + 1), (INNER, 1)) * 0.1)
        put(f"{prefix}.ssm_d", np.ones(INNER))
        put(f"{prefix}.ssm_out.weight", drawn(HIDDEN, INNER))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
