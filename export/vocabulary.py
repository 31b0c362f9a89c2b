"""A checkpoint's byte-level BPE tokenizer as GGUF metadata."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf

from agent.errors import InputError

_LETTERS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
PRE_TOKENIZERS = {
    _LETTERS + r"|\p{N}" + _REST: "qwen2",
    _LETTERS + r"|\p{N}{1,3}" + _REST: "llama-bpe",
}
"""Splitting expressions, with llama.cpp's name for each."""


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by id, their kinds, the merges, and the ids that end a turn, fill and begin."""

    tokens: list[str]
    kinds: list[int]
    merges: list[str]
    pre: str
    eos: int
    pad: int | None
    bos: int | None
    chat_template: str | None

    def write(self, writer: gguf.GGUFWriter) -> None:
        """Add it to a GGUF file's metadata."""
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.tokens)
        writer.add_token_types(self.kinds)
        writer.add_token_merges(self.merges)
        writer.add_eos_token_id(self.eos)
        # Without one llama.cpp takes token 11 for the beginning of a text, whatever it is.
        writer.add_bos_token_id(next(i for i in (self.bos, self.pad, self.eos) if i is not None))
        if self.pad is not None:
            writer.add_pad_token_id(self.pad)
        writer.add_add_bos_token(False)
        if self.chat_template:
            writer.add_chat_template(self.chat_template)


def load_vocabulary(folder: Path, size: int, end: str | None = None) -> Vocabulary:
    """The tokenizer of a checkpoint folder, padded with unused tokens to `size` (the embedding's rows).

    `end` is the token that ends a turn; without it, the tokenizer's own. Raises InputError where the
    tokenizer is of a kind that llama.cpp would split differently.
    """
    try:
        value = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(f"{folder} has no readable tokenizer.json", "save a fast tokenizer there") from None
    model = value["model"]
    if model.get("type") != "BPE" or model.get("byte_fallback"):
        raise InputError(f"{folder} has no byte-level BPE tokenizer", "only those can be converted")
    ids: dict[str, int] = dict(model["vocab"])
    special = {}
    for token in value.get("added_tokens", []):
        ids[token["content"]] = token["id"]
        special[token["id"]] = token["special"]
    if max(ids.values()) >= size:
        raise InputError(f"{folder}: the tokenizer has more tokens than the model ({size})", "match the two")
    tokens = [f"[PAD{i}]" for i in range(size)]
    kinds = [int(gguf.TokenType.UNUSED)] * size
    for text, i in ids.items():
        tokens[i] = text
        kinds[i] = int(gguf.TokenType.NORMAL)
        if i in special:
            kinds[i] = int(gguf.TokenType.CONTROL if special[i] else gguf.TokenType.USER_DEFINED)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    settings = _json(folder / "tokenizer_config.json")
    named = {key: _id(settings.get(f"{key}_token"), ids) for key in ("eos", "pad", "bos")}
    eos = ids.get(end) if end else named["eos"]
    if eos is None:
        raise InputError(f"{folder} has no token {end or 'eos_token'} to end a turn", "name one that it has")
    template = folder / "chat_template.jinja"
    chat = template.read_text(encoding="utf-8") if template.is_file() else settings.get("chat_template")
    pre = pre_tokenizer_name(value, folder)
    return Vocabulary(tokens, kinds, merges, pre, eos, named["pad"], named["bos"], chat)


def pre_tokenizer_name(tokenizer: dict[str, Any], folder: Path) -> str:
    """llama.cpp's name for how a tokenizer splits text. Raises InputError where it has none."""
    normalizer = tokenizer.get("normalizer")
    if normalizer and normalizer.get("type") != "NFC":
        raise InputError(
            f"{folder}: llama.cpp does not normalize text ({normalizer['type']})", "use another tokenizer"
        )
    pre = tokenizer.get("pre_tokenizer") or {}
    parts = pre.get("pretokenizers", [pre])
    for part in parts:
        if part.get("type") == "ByteLevel" and part.get("add_prefix_space"):
            raise InputError(f"{folder}: the tokenizer adds a space before a text", "use another tokenizer")
    splits = [part["pattern"].get("Regex") for part in parts if part.get("type") == "Split"]
    if len(splits) == 1 and splits[0] in PRE_TOKENIZERS:
        return PRE_TOKENIZERS[splits[0]]
    if not splits and [part.get("type") for part in parts] == ["ByteLevel"] and parts[0].get("use_regex"):
        return "gpt-2"
    names = ", ".join([*PRE_TOKENIZERS.values(), "gpt-2"])
    raise InputError(f"{folder}: the tokenizer splits text in an unknown way", f"known are {names}")


def _id(token: Any, ids: dict[str, int]) -> int | None:
    text = token.get("content") if isinstance(token, dict) else token
    return ids.get(text) if isinstance(text, str) else None


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
