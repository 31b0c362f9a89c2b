"""A checkpoint's tokenizer (its tokenizer.json) as GGUF metadata: byte-level BPE, or SentencePiece's BPE.

The second is Gemma's: no pre-tokenizer, spaces as "▁", bytes for what has no token. llama.cpp merges by the
score of the resulting token, tokenizer.json by the rank of the pair; the scores are made from the ranks.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf

from agent.errors import InputError
from export.gguf.pretokenizer import pretokenizer_name

SPACE = "▁"
_SPECIAL = ("bos", "eos", "unk", "sep", "pad", "mask")
"""Special tokens by the names that tokenizer_config.json, config.json and GGUF use."""
_NO_SCORE = -1000.0
_UNUSED_SCORE = -10000.0
_BYTE = 256


@dataclass(frozen=True)
class Vocabulary:
    """The tokens by id, their types, their merges or scores, and the special ones."""

    model: str
    """`gpt2` (byte-level BPE) or `llama` (SentencePiece)."""
    pre: str
    tokens: Sequence[str]
    kinds: Sequence[int]
    special: Mapping[str, int]
    """Id by name: `eos`, which ends a turn; `bos`, `pad`, `unk`, `sep` and `mask` where there are such."""
    adds: Mapping[str, bool]
    """Whether `bos` and `eos` are added around a text."""
    chat_template: Any = None
    """A Jinja template, or a list of named ones."""
    merges: Sequence[str] = field(default=())
    scores: Sequence[float] = field(default=())

    def write(self, writer: gguf.GGUFWriter) -> None:
        """Add the vocabulary to a GGUF file's metadata."""
        writer.add_tokenizer_model(self.model)
        writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.tokens)
        writer.add_token_types(self.kinds)
        if self.model == "gpt2":
            writer.add_token_merges(self.merges)
        else:
            writer.add_token_scores(self.scores)
            writer.add_add_space_prefix(False)
        for name, token in self.special.items():
            getattr(writer, f"add_{name}_token_id")(token)
        for name, added in self.adds.items():
            getattr(writer, f"add_add_{name}_token")(added)
        if self.chat_template:
            writer.add_chat_template(self.chat_template)


def load_vocabulary(
    folder: Path, config: Mapping[str, Any], end: str | None = None, template: str | None = None
) -> Vocabulary:
    """Read the tokenizer of a checkpoint folder, padded with unused tokens to the config's `vocab_size`.

    `end` is the token that ends a turn of a model trained on umi's transcripts, which begin without a BOS; by
    default EOS and BOS are the tokenizer's own, and so is the chat template without `template`. Raise
    InputError where llama.cpp would tokenize text differently.
    """
    where = str(folder)
    try:
        value = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        model = value["model"]
        ids: dict[str, int] = dict(model["vocab"])
        joined = model["merges"] if model.get("type") == "BPE" else []
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{folder} has no readable tokenizer.json", "save a fast tokenizer there") from None
    if model.get("type") != "BPE":
        raise InputError(
            f"{folder} has no BPE tokenizer ({model.get('type')})", "only those can be converted"
        )
    added = {token["id"]: token for token in value.get("added_tokens", [])}
    for token in added.values():
        if ids.get(token["content"], max(token["id"], len(model["vocab"]))) != token["id"]:
            raise InputError(
                f"{folder}: tokenizer.json gives {token['content']} the id {token['id']}, loading it another",
                "save the tokenizer again",
            )
    ids |= {token["content"]: token["id"] for token in added.values()}
    size = config["vocab_size"]
    if max(ids.values()) >= size:
        raise InputError(f"{folder}: the tokenizer has more tokens than the model ({size})", "match the two")
    pieces = is_sentencepiece(value, where)
    tokens, kinds = _tokens(ids, {i: token["special"] for i, token in added.items()}, size, pieces)
    if len(set(tokens)) < size:
        raise InputError(f"{folder}: two tokens are written alike", "llama.cpp cannot load such a vocabulary")
    merges = [merge.split(" ", 1) if isinstance(merge, str) else merge for merge in joined]
    settings = _json(folder / "tokenizer_config.json")
    special, adds = _special(ids, config, settings), _adds(value, settings)
    if end:
        adds |= {"bos": False}
        special |= {"eos": ids.get(end)}
    if special["eos"] is None:
        raise InputError(f"{folder} has no token {end or 'eos_token'} to end a turn", "name one that it has")
    if special["bos"] is None:
        # Without one llama.cpp takes token 11 of a byte-level vocabulary, whatever it is.
        special["bos"] = special["eos"] if special["pad"] is None else special["pad"]
    return Vocabulary(
        model="llama" if pieces else "gpt2",
        pre="default" if pieces else pretokenizer_name(value, where),
        tokens=tokens,
        kinds=kinds,
        special={name: token for name, token in special.items() if token is not None},
        adds=adds,
        chat_template=_chat_template(folder, settings) if template is None else template,
        merges=() if pieces else [" ".join(merge) for merge in merges],
        scores=_scores(tokens, kinds, merges, where) if pieces else (),
    )


def padding_token(i: int) -> str:
    """Return the unused token `i` that fills a vocabulary up to the size of the embedding."""
    return f"[PAD{i}]"


def is_sentencepiece(tokenizer: Mapping[str, Any], where: str) -> bool:
    """Return whether a BPE tokenizer (a parsed tokenizer.json) is SentencePiece's.

    Raise InputError naming `where` for one that changes a text in other ways than writing spaces as "▁".
    """
    if not tokenizer["model"].get("byte_fallback"):
        return False
    normalizer = tokenizer.get("normalizer") or {}
    pattern = normalizer.get("pattern") or {}
    if (pattern.get("String"), normalizer.get("content")) != (" ", SPACE):
        raise InputError(f"{where}: the tokenizer changes a text before it splits it", "known is Gemma's way")
    return True


def _tokens(
    ids: Mapping[str, int], special: Mapping[int, bool], size: int, pieces: bool
) -> tuple[list[str], list[int]]:
    """Return tokens and types by id; added tokens that are not special are user-defined, not control."""
    tokens = [padding_token(i) for i in range(size)]
    kinds = [int(gguf.TokenType.UNUSED)] * size
    bytes_ = {f"<0x{byte:02X}>" for byte in range(_BYTE)} if pieces else set()
    for text, i in ids.items():
        tokens[i] = text
        kinds[i] = int(gguf.TokenType.BYTE if text in bytes_ else gguf.TokenType.NORMAL)
        if i in special:
            kinds[i] = int(gguf.TokenType.CONTROL if special[i] else gguf.TokenType.USER_DEFINED)
            if pieces and not special[i]:
                # llama.cpp searches these in the raw text.
                tokens[i] = text.replace(SPACE, " ")
    return tokens, kinds


def _scores(
    tokens: Sequence[str], kinds: Sequence[int], merges: Sequence[Sequence[str]], where: str
) -> list[float]:
    """Return a score for each token, as SentencePiece numbers them: the earlier its merge the higher.

    Raise InputError where a pair that makes a token is not among the merges: llama.cpp would merge it.
    """
    rank: dict[str, int] = {}
    for i, (left, right) in enumerate(merges):
        rank.setdefault(left + right, i)
    normal = [i for i, kind in enumerate(kinds) if kind == gguf.TokenType.NORMAL]
    known = {*(tokens[i] for i in normal), *rank}
    pairs = {(left, right) for left, right in merges}
    for i in normal:
        text = tokens[i]
        for cut in range(1, len(text)):
            pair = text[:cut], text[cut:]
            if pair not in pairs and pair[0] in known and pair[1] in known:
                raise InputError(f"{where}: the tokenizer never merges {pair}", "llama.cpp would")
    scores = [_NO_SCORE] * len(tokens)
    for i, kind in enumerate(kinds):
        if kind == gguf.TokenType.BYTE:
            scores[i] = 0.0
        elif kind == gguf.TokenType.UNUSED:
            scores[i] = _UNUSED_SCORE
    for place, i in enumerate(sorted(normal, key=lambda i: (rank.get(tokens[i], math.inf), i))):
        scores[i] = -float(place)
    return scores


def _special(
    ids: Mapping[str, int], config: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, int | None]:
    """Return the id of each special token: tokenizer_config.json's, else config.json's."""
    special: dict[str, int | None] = {}
    for name in _SPECIAL:
        token = settings.get(f"{name}_token")
        text = token.get("content") if isinstance(token, dict) else token
        configured = config.get(f"{name}_token_id")
        special[name] = ids.get(text) if isinstance(text, str) else None
        if special[name] is None and isinstance(configured, int) and 0 <= configured < config["vocab_size"]:
            special[name] = configured
    return special


def _adds(tokenizer: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, bool]:
    """Return whether BOS and EOS are added around a text: as the post-processor does, or as configured."""
    adds = {name: bool(settings.get(f"add_{name}_token")) for name in ("bos", "eos")}
    processor = tokenizer.get("post_processor") or {}
    for part in processor.get("processors", [processor]):
        if part.get("type") == "TemplateProcessing":
            adds = {"bos": "SpecialToken" in part["single"][0], "eos": "SpecialToken" in part["single"][-1]}
    return adds


def _chat_template(folder: Path, settings: Mapping[str, Any]) -> Any:
    """Return the tokenizer's own chat template: from its file, or tokenizer_config.json."""
    file = folder / "chat_template.jinja"
    return file.read_text(encoding="utf-8") if file.is_file() else settings.get("chat_template")


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise InputError(f"{path} is damaged", "save the tokenizer again") from None
