"""A very small language model with random weights, written as GGUF: enough for the engine to run on.

Qwen3 shape, two layers of 64, a byte-level BPE of a few hundred tokens with ChatML's control tokens.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

from agent.bundle import Bundle, Sampling, write_bundle
from agent.llama.binding.model import Model
from agent.prompting import CHATML
from agent.transcript import ROLES, Role

LAYERS, HIDDEN, HEADS, HEAD_DIM, FEED_FORWARD = 2, 64, 4, 16, 128
MERGES = (
    "t h|th e|i n|a n|e r|o n|r e|Ġ t|Ġ a|Ġ th|Ġ the|Ġ i|"
    "c all|a l|l e|l l|a ll|u m|o u|n g|in g|N e|Ne x|Nex t|"
    'Ċ Next|: Ġ|{ "|" :|" ,|" }|} }|": "|n am|nam e|r o|a r|ar g|s t|m a|er s|Ġ 4|4 2|. Ċ|Ã ©|Ġ s|Ġ 1'
)


def write_tiny_gguf(
    path: Path, *, seed: int = 0, context_length: int = 2048, chat_template: str = ""
) -> Path:
    """Write the model to `path` and return it. The same seed gives the same file."""
    random = np.random.default_rng(seed)
    tokens, merges, kinds = _vocabulary()
    writer = gguf.GGUFWriter(str(path), "qwen3")
    writer.add_context_length(context_length)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_key_length(HEAD_DIM)
    writer.add_value_length(HEAD_DIM)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-6)
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

    def matrix(name: str, rows: int, columns: int, scale: float) -> None:
        writer.add_tensor(name, (random.standard_normal((rows, columns)) * scale).astype(np.float32))

    def ones(name: str, size: int) -> None:
        writer.add_tensor(name, np.ones(size, np.float32))

    matrix("token_embd.weight", len(tokens), HIDDEN, 1.0)
    matrix("output.weight", len(tokens), HIDDEN, 1.0)
    ones("output_norm.weight", HIDDEN)
    for layer in range(LAYERS):
        prefix = f"blk.{layer}"
        ones(f"{prefix}.attn_norm.weight", HIDDEN)
        ones(f"{prefix}.ffn_norm.weight", HIDDEN)
        ones(f"{prefix}.attn_q_norm.weight", HEAD_DIM)
        ones(f"{prefix}.attn_k_norm.weight", HEAD_DIM)
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            matrix(f"{prefix}.{part}.weight", HIDDEN, HIDDEN, 0.2)
        matrix(f"{prefix}.ffn_gate.weight", FEED_FORWARD, HIDDEN, 0.2)
        matrix(f"{prefix}.ffn_up.weight", FEED_FORWARD, HIDDEN, 0.2)
        matrix(f"{prefix}.ffn_down.weight", HIDDEN, FEED_FORWARD, 0.2)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_tiny_adapter(path: Path, invocation: list[int], *, seed: int = 0, rank: int = 4) -> Path:
    """Write a random adapter of the model, activated by `invocation` where that is not empty."""
    random = np.random.default_rng(1000 + seed)
    writer = gguf.GGUFWriter(str(path), "qwen3")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(rank))
    if invocation:
        writer.add_key_value(
            gguf.Keys.Adapter.ALORA_INVOCATION_TOKENS,
            invocation,
            gguf.GGUFValueType.ARRAY,
            gguf.GGUFValueType.UINT32,
        )
    for layer in range(LAYERS):
        for name, rows, columns in (("attn_q", HIDDEN, HIDDEN), ("ffn_down", HIDDEN, FEED_FORWARD)):
            for side, shape in (("a", (rank, columns)), ("b", (rows, rank))):
                values = (random.standard_normal(shape) * 0.5).astype(np.float32)
                writer.add_tensor(f"blk.{layer}.{name}.weight.lora_{side}", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def header_ids(model: Path, role: Role) -> list[int]:
    """The tokens of a role's header, which activate its adapter."""
    opened = Model(model)
    try:
        return opened.vocabulary.tokenize(CHATML.header(role), True)
    finally:
        opened.close()


def write_tiny_bundle(folder: Path, *, grounded: bool = False, context_length: int = 1024) -> Bundle:
    """Write a bundle of three such models to `folder`, each of its own seed."""
    folder.mkdir(parents=True)
    for seed, role in enumerate(ROLES):
        write_tiny_gguf(folder / f"{role}.gguf", seed=seed)
    roles: tuple[Role, ...] = ("summarizer",) if grounded else ()
    return write_bundle(
        folder,
        name=folder.name,
        context_length=context_length,
        files={role: f"{role}.gguf" for role in ROLES},
        sampling={role: Sampling(max_tokens=120) for role in ROLES},
        grounded=roles,
        license="Apache-2.0",
    )


def _vocabulary() -> tuple[list[str], list[str], list[int]]:
    """Tokens, merges and token types: 256 bytes, what the merges make of them, and three control tokens."""
    tokens = list(_byte_letters())
    merges = []
    for merge in MERGES.split("|"):
        left, right = merge.split(" ")
        if left in tokens and right in tokens and left + right not in tokens:
            merges.append(merge)
            tokens.append(left + right)
    kinds = [int(gguf.TokenType.NORMAL)] * len(tokens)
    control = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    return tokens + control, merges, kinds + [int(gguf.TokenType.CONTROL)] * len(control)


def _byte_letters() -> list[str]:
    """The letter of each byte in a byte-level vocabulary: itself where printable, else from U+0100 on."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) if byte in printable else chr(256 + others.index(byte)) for byte in range(256)]
