"""The tokenizer of a GGUF file as the files of a checkpoint: the inverse of `export.gguf.vocabulary`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
from gguf import Keys
from tokenizers import Tokenizer

from agent.errors import InputError
from export.gguf.pretokenizer import find_splitting, pretokenizer_json
from export.gguf.reader import GgufFile
from export.gguf.vocabulary import SPACE, Vocabulary, padding_token

_SPECIAL = {
    "bos": Keys.Tokenizer.BOS_ID,
    "eos": Keys.Tokenizer.EOS_ID,
    "unk": Keys.Tokenizer.UNK_ID,
    "sep": Keys.Tokenizer.SEP_ID,
    "pad": Keys.Tokenizer.PAD_ID,
    "mask": Keys.Tokenizer.MASK_ID,
}
_ADDS = {"bos": Keys.Tokenizer.ADD_BOS, "eos": Keys.Tokenizer.ADD_EOS}
_ADDED = {
    gguf.TokenType.UNKNOWN: True,
    gguf.TokenType.CONTROL: True,
    gguf.TokenType.USER_DEFINED: False,
}
"""Type of an added token, which is matched before a text is split -> whether it is special."""
_OTHER = "take another file of this model"


def read_vocabulary(file: GgufFile) -> Vocabulary:
    """Return the vocabulary of a GGUF file.

    Raise InputError where it is neither byte-level BPE nor Gemma's SentencePiece, or is damaged.
    """
    said = file.metadata.get
    model, where = said(Keys.Tokenizer.MODEL), str(file.path)
    if model not in ("gpt2", "llama"):
        raise InputError(f"{where} has no BPE tokenizer ({model})", _OTHER)
    pieces = model == "llama"
    if pieces and said(Keys.Tokenizer.ADD_PREFIX, True):
        raise InputError(f"{where}: the tokenizer adds a space before a text", "known is Gemma's way")
    pre = said(Keys.Tokenizer.PRE)
    adds_bos = pieces or find_splitting(pre, where).adds_bos
    tokens = file.value(Keys.Tokenizer.LIST, list)
    kinds = file.value(Keys.Tokenizer.TOKEN_TYPE, list)
    further = file.value(Keys.Tokenizer.SCORES if pieces else Keys.Tokenizer.MERGES, list)
    if len(kinds) != len(tokens) or (pieces and len(further) != len(tokens)):
        raise InputError(f"{where}: its tokens, their types and scores differ in number", _OTHER)
    if len(set(tokens)) < len(tokens):
        raise InputError(f"{where}: two tokens are written alike", _OTHER)
    special = {name: said(key) for name, key in _SPECIAL.items()}
    return Vocabulary(
        model=model,
        pre=str(pre),
        tokens=tokens,
        kinds=kinds,
        special={
            name: token
            for name, token in special.items()
            if isinstance(token, int) and 0 <= token < len(tokens)
        },
        adds={name: bool(said(key, name == "bos" and adds_bos)) for name, key in _ADDS.items()},
        chat_template=_chat_template(file),
        merges=() if pieces else further,
        scores=further if pieces else (),
    )


def write_tokenizer(vocabulary: Vocabulary, folder: Path, where: str) -> None:
    """Write tokenizer.json, tokenizer_config.json and the chat template into `folder`.

    Unused tokens that only fill the vocabulary up are left out. Raise InputError naming `where` for merges
    that do not fit the tokens.
    """
    tokens = {
        text: i
        for i, (text, kind) in enumerate(zip(vocabulary.tokens, vocabulary.kinds, strict=True))
        if kind != gguf.TokenType.UNUSED or text != padding_token(i)
    }
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    added = [
        {"id": i, "content": text, **plain, "special": _ADDED[gguf.TokenType(kind)]}
        for text, i in tokens.items()
        if (kind := vocabulary.kinds[i]) in _ADDED
    ]
    parts = (
        _sentencepiece(vocabulary, tokens)
        if vocabulary.model == "llama"
        else _byte_level(vocabulary, tokens, where)
    )
    value = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        **parts,
        "post_processor": _post_processor(vocabulary),
    }
    encoded = json.dumps(value, ensure_ascii=False)
    try:
        Tokenizer.from_str(encoded)
    except Exception as error:  # tokenizers raises nothing narrower
        reason = " ".join(str(error).split())
        raise InputError(f"{where}: its tokens and merges make no tokenizer: {reason}", _OTHER) from None
    (folder / "tokenizer.json").write_text(encoded, encoding="utf-8")
    settings: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        **{f"add_{name}_token": adds for name, adds in vocabulary.adds.items()},
        **{f"{name}_token": vocabulary.tokens[token] for name, token in vocabulary.special.items()},
    }
    if isinstance(vocabulary.chat_template, str):
        (folder / "chat_template.jinja").write_text(vocabulary.chat_template, encoding="utf-8")
    elif vocabulary.chat_template:
        settings["chat_template"] = vocabulary.chat_template
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")


def _byte_level(vocabulary: Vocabulary, tokens: Mapping[str, int], where: str) -> dict[str, Any]:
    """Return the parts of a tokenizer.json that are specific to byte-level BPE."""
    splitting = find_splitting(vocabulary.pre, where)
    merges = [merge.split(" ", 1) for merge in vocabulary.merges]
    return {
        "normalizer": None,
        "pre_tokenizer": pretokenizer_json(splitting),
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": _bpe(tokens, merges, ignore_merges=splitting.ignore_merges),
    }


def _sentencepiece(vocabulary: Vocabulary, tokens: Mapping[str, int]) -> dict[str, Any]:
    """Return the parts of a tokenizer.json that are specific to Gemma's SentencePiece."""
    replaced = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    back = {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}
    unknown = vocabulary.special.get("unk")
    return {
        "normalizer": replaced,
        "pre_tokenizer": None,
        "decoder": {"type": "Sequence", "decoders": [back, {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": _bpe(
            tokens,
            _merges(vocabulary),
            unk_token=None if unknown is None else vocabulary.tokens[unknown],
            fuse_unk=True,
            byte_fallback=True,
        ),
    }


def _bpe(tokens: Mapping[str, int], merges: Sequence[Sequence[str]], **settings: Any) -> dict[str, Any]:
    defaults = {
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
    }
    return {"type": "BPE", **defaults, **settings, "vocab": tokens, "merges": merges}


def _merges(vocabulary: Vocabulary) -> list[tuple[str, str]]:
    """Return every pair of tokens that makes a token, the highest score first, as SentencePiece merges."""
    normal = [i for i, kind in enumerate(vocabulary.kinds) if kind == gguf.TokenType.NORMAL]
    known = {vocabulary.tokens[i] for i in normal}
    merges = []
    for i in sorted(normal, key=lambda i: -vocabulary.scores[i]):
        text = vocabulary.tokens[i]
        pairs = ((text[:cut], text[cut:]) for cut in range(1, len(text)))
        merges += [pair for pair in pairs if pair[0] in known and pair[1] in known]
    return merges


def _post_processor(vocabulary: Vocabulary) -> dict[str, Any] | None:
    """Return what adds BOS and EOS around a text; None where neither is added."""
    ids = {
        name: vocabulary.special[name]
        for name, adds in vocabulary.adds.items()
        if adds and name in vocabulary.special
    }
    if not ids:
        return None
    texts = {name: vocabulary.tokens[token] for name, token in ids.items()}

    def around(kind: str, group: int) -> list[dict[str, Any]]:
        special = {name: {"SpecialToken": {"id": text, "type_id": group}} for name, text in texts.items()}
        sequence = {"Sequence": {"id": kind, "type_id": group}}
        return [part for part in (special.get("bos"), sequence, special.get("eos")) if part]

    return {
        "type": "TemplateProcessing",
        "single": around("A", 0),
        "pair": around("A", 0) + around("B", 1),
        "special_tokens": {
            texts[name]: {"id": texts[name], "ids": [token], "tokens": [texts[name]]}
            for name, token in ids.items()
        },
    }


def _chat_template(file: GgufFile) -> Any:
    """Return the chat template, a list of named ones where there are several, or None."""
    default = file.metadata.get(Keys.Tokenizer.CHAT_TEMPLATE)
    names = file.metadata.get(Keys.Tokenizer.CHAT_TEMPLATES) or []
    found = [
        {"name": name, "template": file.metadata.get(Keys.Tokenizer.CHAT_TEMPLATE_N.format(name=name))}
        for name in names
    ]
    if not found:
        return default
    return [{"name": "default", "template": default}, *found] if default else found
