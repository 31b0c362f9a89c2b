"""llama.cpp's name of a tokenizer's pre-tokenizer: `tokenizer.ggml.pre`, from tokenizer.json, and back.

The name is derived from tokenizer.json, not from a hash of a text's tokens: a tokenizer that was trained
again has other tokens and the same pre-tokenizer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.errors import InputError

_LETTERS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2_SPLIT = _LETTERS + r"|\p{N}" + _REST
LLAMA3_SPLIT = _LETTERS + r"|\p{N}{1,3}" + _REST
_SINGLE_DIGITS = "Digits"
"""In place of an expression: the pre-tokenizer `Digits`, which splits off each digit."""


@dataclass(frozen=True)
class Splitting:
    """The behaviour of a pre-tokenizer."""

    first: str
    """The expression that a text is split by first; empty where it is not."""
    gpt2: bool
    """Whether the pieces are split by GPT-2's expression."""
    ignore_merges: bool = False
    """Whether a piece that is a token is not merged."""
    adds_bos: bool = False
    """Whether a file adds the BOS token to a text where it says nothing of it."""
    aliases: tuple[str, ...] = ()
    """Other names of it in llama.cpp (`llama_vocab::impl::load` in llama-vocab.cpp)."""


SPLITTINGS: Mapping[str, Splitting] = {
    "qwen2": Splitting(QWEN2_SPLIT, False, aliases=("deepseek-r1-qwen", "kormo", "f2llmv2", "stablelm2")),
    "llama-bpe": Splitting(
        LLAMA3_SPLIT,
        False,
        ignore_merges=True,
        adds_bos=True,
        aliases=("llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"),
    ),
    "smaug-bpe": Splitting(LLAMA3_SPLIT, False, aliases=("dbrx",)),
    "smollm": Splitting(
        _SINGLE_DIGITS, True, aliases=("refact", "starcoder", "command-r", "codeshell", "exaone")
    ),
    "gpt-2": Splitting("", True, aliases=("phi-2", "gigachat", "a.x-4.0", "mellum", "mpt", "olmo", "jais")),
}
"""By llama.cpp's name. Under `llama-bpe` and `smaug-bpe` a text is split alike."""


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
    first = ""
    if kinds[:-1] == ["Split"]:
        first = parts[0]["pattern"].get("Regex") or "a string"
    elif kinds[:-1] == ["Digits"] and parts[0].get("individual_digits"):
        first = _SINGLE_DIGITS
    known = kinds[-1] == "ByteLevel" and len(kinds) == (2 if first else 1)
    found = first, parts[-1].get("use_regex", True)
    names = [name for name, one in SPLITTINGS.items() if known and found == (one.first, one.gpt2)]
    if not names:
        raise InputError(
            f"{where}: the tokenizer splits text in an unknown way", f"known are {', '.join(SPLITTINGS)}"
        )
    ignores = bool(tokenizer["model"].get("ignore_merges"))
    return next((name for name in names if SPLITTINGS[name].ignore_merges == ignores), names[0])


def find_splitting(name: Any, where: str) -> Splitting:
    """Return the behaviour of the pre-tokenizer that llama.cpp calls `name`.

    Raise InputError naming `where` if it is unknown here.
    """
    for known, splitting in SPLITTINGS.items():
        if name == known or name in splitting.aliases:
            return splitting
    raise InputError(
        f"{where}: the pre-tokenizer {name or 'of no name'} is unknown", f"known are {', '.join(SPLITTINGS)}"
    )


def pretokenizer_json(splitting: Splitting) -> dict[str, Any]:
    """Return the `pre_tokenizer` of a tokenizer.json."""
    split: dict[str, Any] = {
        "type": "Split",
        "pattern": {"Regex": splitting.first},
        "behavior": "Isolated",
        "invert": False,
    }
    if splitting.first == _SINGLE_DIGITS:
        split = {"type": "Digits", "individual_digits": True}
    last = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": splitting.gpt2,
    }
    return {"type": "Sequence", "pretokenizers": [split, last]} if splitting.first else last
