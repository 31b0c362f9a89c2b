"""Very small checkpoints with random weights of every family that can be converted, and tokenizers that split
like the families' own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from export.gguf.pretokenizer import LLAMA3_SPLIT, QWEN2_SPLIT
from export.proof.tokenizer import HARD_TEXTS

SPACE = "▁"
ROPE_LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
"""The context is short, so that few tokens reach frequencies of all three kinds."""

SHAPE = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-6,
}

FAMILIES: Mapping[str, tuple[str, str, dict[str, Any]]] = {
    "qwen2": ("Qwen2", "qwen2", {"tie_word_embeddings": False}),
    "qwen2.5-tied": ("Qwen2", "qwen2", {"tie_word_embeddings": True}),
    "qwen3": ("Qwen3", "qwen2", {"head_dim": 32, "tie_word_embeddings": True}),
    "llama3": ("Llama", "llama3", {"rope_parameters": ROPE_LLAMA3, "tie_word_embeddings": False}),
    "llama-linear": (
        "Llama",
        "llama3",
        {
            "rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0},
            "attention_bias": True,
            "mlp_bias": True,
            "head_dim": 32,
        },
    ),
    "smollm2": ("Llama", "smollm", {"tie_word_embeddings": True}),
    "smollm3": ("SmolLM3", "smollm3", {"num_hidden_layers": 5}),
    "granite": (
        "Granite",
        "smollm",
        {
            "tie_word_embeddings": True,
            "attention_multiplier": 0.1,
            "embedding_multiplier": 3.0,
            "residual_multiplier": 0.3,
            "logits_scaling": 4.0,
        },
    ),
    "gemma3": (
        "Gemma3",
        "gemma",
        {"num_hidden_layers": 7, "head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 8},
    ),
    "gemma3-other-layers": (
        "Gemma3",
        "gemma",
        {
            "num_hidden_layers": 4,
            "head_dim": 32,
            "query_pre_attn_scalar": 32,
            "sliding_window": 8,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
            "final_logit_softcapping": 5.0,
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "rope_theta": 1e6, "factor": 8.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 500.0},
            },
        },
    ),
}
"""Name -> transformers' class, the tokenizer, and the config beside `SHAPE`."""


def make_family(
    folder: Path, name: str, *, dtype: str = "float32", shard: str = "1GB", seed: int = 0
) -> Path:
    """A checkpoint of the family `name` with its tokenizer in `folder`; returns `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    kind, tokenizer, config = FAMILIES[name]
    size = write_tokenizer(folder, tokenizer)
    return make_weights(folder, kind, {**SHAPE, **config, "vocab_size": size}, dtype, shard, seed)


def make_weights(
    folder: Path, kind: str, config: Mapping[str, Any], dtype: str, shard: str = "1GB", seed: int = 0
) -> Path:
    """A checkpoint of transformers' `kind` with random weights, norms and biases in `folder`."""
    import torch
    import transformers

    torch.manual_seed(seed)
    named = "Gemma3Text" if kind == "Gemma3" else kind
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    made = getattr(transformers, f"{named}Config")(**{**ids, **config})
    model = getattr(transformers, f"{kind}ForCausalLM")(made)
    for parameter in model.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, mean=1.0, std=0.3)
        else:
            torch.nn.init.normal_(parameter, std=0.12)
    model.to(getattr(torch, dtype)).save_pretrained(folder, max_shard_size=shard)
    return folder


def write_tokenizer(folder: Path, kind: str) -> int:
    """A tokenizer that splits like `kind` (qwen2, llama3, smollm3, smollm or gemma) in `folder`; its size."""
    value = _sentencepiece() if kind == "gemma" else _byte_level(kind)
    (folder / "tokenizer.json").write_text(json.dumps(value), encoding="utf-8")
    names = {"bos_token": "<|begin|>", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    settings = {**names, "tokenizer_class": "PreTrainedTokenizerFast", "chat_template": "{{ messages }}"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return len(value["model"]["vocab"])


SPECIAL = ("<|endoftext|>", "<|begin|>", "<|im_end|>", "<|im_start|>", "<unk>")
FOUND_IN_TEXT = ("<tool_call>", "</tool_call>", "<tool▁result>")
"""Added tokens that are not special: every text that holds them has them."""


def _trained(tokenizer: Any, alphabet: list[str], splitting: Any) -> dict[str, Any]:
    """tokenizer.json of a tokenizer that is trained by one splitting and works by another."""
    from tokenizers import trainers

    trainer = trainers.BpeTrainer(
        vocab_size=900, special_tokens=list(SPECIAL), initial_alphabet=alphabet, show_progress=False
    )
    # No merges make a control token; and where "</s>" is a token, llama.cpp makes it one, whatever is said.
    texts = [
        re.sub("|".join(map(re.escape, ("</s>", *SPECIAL))), "", text) for text in (*HARD_TEXTS, *_TEXTS)
    ]
    tokenizer.train_from_iterator(texts * 3, trainer)
    if splitting is not None:
        tokenizer.pre_tokenizer = splitting
    value = json.loads(tokenizer.to_str())
    if splitting is None:
        value["pre_tokenizer"] = None
    ids = value["model"]["vocab"]
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    for text in FOUND_IN_TEXT:
        ids[text] = len(ids)
        value["added_tokens"].append({"id": ids[text], "content": text, **plain})
    return value


def _byte_level(kind: str) -> dict[str, Any]:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.BPE(ignore_merges=kind in ("llama3", "smollm3")))
    tokenizer.decoder = decoders.ByteLevel()
    if kind == "llama3":
        tokenizer.post_processor = processors.TemplateProcessing("<|begin|> $A", None, [("<|begin|>", 1)])
    if kind == "smollm":
        first: Any = pre_tokenizers.Digits(individual_digits=True)
    else:
        split = QWEN2_SPLIT if kind == "qwen2" else LLAMA3_SPLIT
        first = pre_tokenizers.Split(Regex(split), behavior="isolated")
    # Trained on all between spaces, so that there are merges over every border that the splitting sets.
    words = pre_tokenizers.Split(" ", "merged_with_next")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, _bytes(use_regex=False)])
    splitting = pre_tokenizers.Sequence([first, _bytes(use_regex=kind == "smollm")])
    return _trained(tokenizer, pre_tokenizers.ByteLevel.alphabet(), splitting)


def _bytes(*, use_regex: bool) -> Any:
    from tokenizers import pre_tokenizers

    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)


def _sentencepiece() -> dict[str, Any]:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(SPACE, "merged_with_next")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.post_processor = processors.TemplateProcessing("<|begin|> $A", None, [("<|begin|>", 1)])
    value = _trained(tokenizer, [SPACE], None)
    ids, first = value["model"]["vocab"], value["model"]["merges"]
    for byte in range(256):
        ids.setdefault(f"<0x{byte:02X}>", len(ids))
    value["model"]["merges"] = all_merges((left + right for left, right in first), ids)
    return value


def all_merges(pieces: Iterable[str], known: Mapping[str, int]) -> list[list[str]]:
    """Every pair of known pieces that makes one of `pieces`, in their order: what SentencePiece may merge."""
    return [
        [piece[:cut], piece[cut:]]
        for piece in dict.fromkeys(pieces)
        for cut in range(1, len(piece))
        if piece[:cut] in known and piece[cut:] in known
    ]


_TEXTS = (
    "In 2026: 100% of 1000 = 12,345.67; add 17.5 + 240, x=5, it's 10:30 - don't, DON'T!  12  345",
    "The quick brown fox isn't lazy: it jumped over 12 dogs, 345 cats and 6,789 birds.",
    "for i in range(1000):\n        total += values[i] ** 2\n    return total",
    '{"name":"calculate","arguments":{"expression":"17.5% * 240"}}',
    "Die Größe übertrifft alle Erwartungen; l'été dernier, c'était déjà comme ça.",
    "今天天气很好、我们去公园散步吧。Привет, как дела? नमस्ते दुनिया",
)
