"""llama.cpp's name of a tokenizer's pre-tokenizer: `tokenizer.ggml.pre`.

It is derived from tokenizer.json, not from a hash of a text's tokens: a tokenizer that was trained again has
other tokens and the same pre-tokenizer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.errors import InputError

_LETTERS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2_SPLIT = _LETTERS + r"|\p{N}" + _REST
LLAMA3_SPLIT = _LETTERS + r"|\p{N}{1,3}" + _REST
NAMES = ("qwen2", "llama-bpe", "smaug-bpe", "smollm", "gpt-2")


def pretokenizer_name(tokenizer: Mapping[str, Any], where: str) -> str:
    """Return the name for a byte-level tokenizer (a parsed tokenizer.json).

    Raise InputError naming `where` if llama.cpp has none, or changes a text where the tokenizer does not.
    """
    normalizer = tokenizer.get("normalizer")
    # Texts reach llama.cpp in NFC: see agent.prompting.segment_ids.
    if normalizer and normalizer.get("type") != "NFC":
        raise InputError(
            f"{where}: llama.cpp does not normalize text ({normalizer['type']})", "use another tokenizer"
        )
    outer = tokenizer.get("pre_tokenizer") or {}
    parts = outer.get("pretokenizers", [outer])
    for part in parts:
        if part.get("type") == "ByteLevel" and part.get("add_prefix_space"):
            raise InputError(f"{where}: the tokenizer adds a space before a text", "use another tokenizer")
    kinds = [part.get("type") for part in parts]
    last = parts[-1]
    name = None
    if kinds == ["Split", "ByteLevel"] and not last.get("use_regex", True):
        expression = parts[0]["pattern"].get("Regex")
        if expression == QWEN2_SPLIT:
            name = "qwen2"
        elif expression == LLAMA3_SPLIT:
            # Both names split alike; under the first llama.cpp does not merge a word that is a token.
            name = "llama-bpe" if tokenizer["model"].get("ignore_merges") else "smaug-bpe"
    elif (
        kinds == ["Digits", "ByteLevel"] and parts[0].get("individual_digits") and last.get("use_regex", True)
    ):
        name = "smollm"
    elif kinds == ["ByteLevel"] and last.get("use_regex", True):
        name = "gpt-2"
    if name is None:
        raise InputError(
            f"{where}: the tokenizer splits text in an unknown way", f"known are {', '.join(NAMES)}"
        )
    return name
