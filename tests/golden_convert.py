"""Every supported family, converted by llama.cpp's own script and by ours: the same tensors, bit for bit, and
the same metadata but for what is listed here with its reason.

`make golden` runs this. It needs the package index, so `make test` does not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from golden_source import (
    added_token,
    real_vocabulary,
    run_theirs,
    run_theirs_on_adapter,
    splitting_of,
    train_sentencepiece,
)
from tiny_families import FAMILIES, SHAPE, all_merges, make_family, make_weights, write_tokenizer

from agent.llama.binding.gguf_model import open_gguf
from export.gguf.adapter import write_adapter
from export.gguf.convert import convert
from export.gguf.pretokenizer import LLAMA3_SPLIT, QWEN2_SPLIT
from export.gguf.tensors import FloatType
from export.merge.selection import load_model
from export.proof.tokenizer import HARD_TEXTS, check_tokenizer, lookalikes
from train.model.weights.adapter import read_adapter

DERIVED = "llama.cpp derives it where it is not said; ours says it for every family"
SAYS_DEFAULT = "it says what llama.cpp does anyway"
SAME_CUT = "two names of one expression in llama.cpp"
KEEPS_WORDS = (
    "the same expression; with ours llama.cpp also keeps words that are a token, as ignore_merges asks"
)
OWN_FLAG = (
    "script: <|…|> is control whatever tokenizer.json says; ours: its flag, so text is read as in training"
)
OWN_BAR = "script: a space for ▁ in added tokens, which is right for Gemma only; ours: only there"
ADAPTER_KEYS = {
    "general.name": "script: the folder's name in other letters",
    **dict.fromkeys(
        (
            "general.tags",
            "general.base_model.count",
            "general.base_model.0.name",
            "general.base_model.0.repo_url",
        ),
        "script: read off the card that peft writes; ours: said by the run, see export/card/provenance.py",
    ),
}
OTHER_LAYERS = "the script says nothing, and llama.cpp takes five layers of six to have the window"

BYTE_LEVEL = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
}


def split_by(expression: str) -> dict[str, Any]:
    first = {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [first, {**BYTE_LEVEL, "use_regex": False}]}


DIGITS = {
    "type": "Sequence",
    "pretokenizers": [
        {"type": "Digits", "individual_digits": True},
        {**BYTE_LEVEL, "use_regex": True},
    ],
}


def begin_with(token: str, i: int) -> dict[str, Any]:
    """A post-processor that puts `token` before a text."""
    begin, text = {"SpecialToken": {"id": token, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
    other = {"Sequence": {"id": "B", "type_id": 1}}
    return {
        "type": "TemplateProcessing",
        "single": [begin, text],
        "pair": [begin, text, {"SpecialToken": {"id": token, "type_id": 1}}, other],
        "special_tokens": {token: {"id": token, "ids": [i], "tokens": [token]}},
    }


def write(folder: Path, value: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    (folder / "tokenizer.json").write_text(json.dumps(value), encoding="utf-8")
    common = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "chat_template": "{% for m in messages %}{{ m }}{% endfor %}",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps({**common, **settings}), encoding="utf-8")


def write_real(
    folder: Path, vocabulary: str, pre_tokenizer: Mapping[str, Any], settings: Mapping[str, Any], **more: Any
) -> int:
    """A real vocabulary with its family's own splitting in `folder`; returns the number of tokens."""
    ids, merges, added = real_vocabulary(vocabulary)
    size = max([*ids.values(), *(token["id"] for token in added)]) + 1
    found = [added_token(size + i, text, special=False) for i, text in enumerate(("<tool_call>", "<|fim|>"))]
    model = {"type": "BPE", "vocab": ids, "merges": merges, "ignore_merges": more.pop("ignore_merges", False)}
    value = {
        "version": "1.0",
        "added_tokens": [*added, *found],
        "normalizer": None,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": {**BYTE_LEVEL, "use_regex": True},
        "decoder": {**BYTE_LEVEL, "use_regex": True},
        "model": {"dropout": None, "unk_token": None, "byte_fallback": False, "fuse_unk": False, **model},
        **more,
    }
    write(folder, value, settings)
    return size + len(found)


def qwen(folder: Path) -> int:
    settings = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "bos_token": None}
    return write_real(folder, "qwen2", split_by(QWEN2_SPLIT), settings, normalizer={"type": "NFC"}) + 5


def llama(folder: Path) -> int:
    settings = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}
    return write_real(
        folder,
        "llama-bpe",
        split_by(LLAMA3_SPLIT),
        settings,
        ignore_merges=True,
        post_processor={
            "type": "Sequence",
            "processors": [{**BYTE_LEVEL, "use_regex": True}, begin_with("<|begin_of_text|>", 128000)],
        },
    )


def smollm3(folder: Path) -> int:
    settings = {"bos_token": None, "eos_token": "<|eot_id|>", "pad_token": "<|eot_id|>"}
    return write_real(folder, "llama-bpe", split_by(LLAMA3_SPLIT), settings, ignore_merges=True)


def granite(folder: Path) -> int:
    names = dict.fromkeys(("bos_token", "eos_token", "pad_token", "unk_token"), "<|endoftext|>")
    return write_real(folder, "refact", DIGITS, {**names, "add_prefix_space": False})


def gemma(folder: Path) -> int:
    """A SentencePiece model that is trained here, and the tokenizer.json that transformers makes of such."""
    found = ["<start_of_turn>", "<end_of_turn>", "\n\n", "▁▁", "<table>", "<unused0>"]
    texts = [*HARD_TEXTS, *(file.read_text("utf-8") for file in Path(__file__).parent.glob("*.py"))]
    pieces = train_sentencepiece(folder / "tokenizer", texts * 2, 3000, found)
    (folder / "tokenizer.txt").unlink()
    ids = {piece: i for i, (piece, _) in enumerate(pieces)}
    special = ("<pad>", "<eos>", "<bos>", "<unk>", *found[:2])
    added = [added_token(ids[text], text, special=text in special) for text in (*special, *found[2:])]
    ordered = sorted(ids, key=lambda piece: -pieces[ids[piece]][1])
    value = {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"String": " "},
            "behavior": "MergedWithPrevious",
            "invert": False,
        },
        "post_processor": begin_with("<bos>", 2),
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": ids,
            "merges": all_merges((piece for piece in ordered if piece not in special), ids),
        },
    }
    names = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"}
    decoder = {str(token["id"]): token for token in added}
    write(folder, value, {**names, "add_bos_token": True, "added_tokens_decoder": decoder})
    return len(pieces) + 8


READ_ALIKE = [text.replace("</s>", "") for text in HARD_TEXTS]
"""Whatever a vocabulary says, llama.cpp makes `</s>` a control token, and Qwen's has it among its words."""

WIDTHS = {"*.attention.key_length": DERIVED, "*.attention.value_length": DERIVED}
BARE = {"*.rope.dimension_count": DERIVED, "*.vocab_size": DERIVED}
TYPES = {"tokenizer.ggml.token_type": OWN_FLAG}
SEP = {"tokenizer.ggml.add_sep_token": SAYS_DEFAULT}
EOS = {"tokenizer.ggml.add_eos_token": SAYS_DEFAULT}
TINY = {"tokenizer.ggml.tokens": OWN_BAR, **EOS}
NO_BOS = {"tokenizer.ggml.add_bos_token": SAYS_DEFAULT}
PRE = "tokenizer.ggml.pre"
GRANITE = {PRE: SAME_CUT, "tokenizer.ggml.add_space_prefix": SAYS_DEFAULT}
GEMMA = {**BARE, **TYPES, **SEP, **EOS}
PATTERN = {"*.attention.sliding_window_pattern": OTHER_LAYERS}


@dataclass(frozen=True)
class Case:
    """A checkpoint that both convert."""

    shape: str
    """Its entry in `tiny_families.FAMILIES`."""
    tokenizer: Callable[[Path], int]
    """Writes one into a folder and returns the number of tokens."""
    dtype: str
    differ: Mapping[str, str]
    """Keys of metadata that differ, with the reason."""
    like: str = ""
    """The script knows splittings by the hash of a text's tokens, so not those of a small vocabulary: this is
    the repository, among its own references, for whose tokenizer it takes this one. Empty: it finds out."""


def tiny(kind: str) -> Callable[[Path], int]:
    return partial(write_tokenizer, kind=kind)


QWEN, LLAMA, SMOLLM = "Qwen/Qwen1.5-7B", "meta-llama/Meta-Llama-3-8B", "HuggingFaceTB/SmolLM-135M"
CASES: Mapping[str, Case] = {
    "qwen2": Case("qwen2", qwen, "bfloat16", {**WIDTHS, **BARE, **TYPES}),
    "qwen2.5-tied": Case(
        "qwen2.5-tied", tiny("qwen2"), "float32", {**WIDTHS, **BARE, **TINY, **NO_BOS}, QWEN
    ),
    "qwen3": Case("qwen3", qwen, "float16", {**BARE, **TYPES}),
    "llama3": Case("llama3", llama, "bfloat16", {**TYPES, **SEP}),
    "llama-linear": Case("llama-linear", tiny("llama3"), "float16", TINY, LLAMA),
    "smollm2": Case("smollm2", tiny("smollm"), "bfloat16", {**TINY, **NO_BOS}, SMOLLM),
    "smollm3": Case("smollm3", smollm3, "bfloat16", {**WIDTHS, **TYPES, PRE: KEEPS_WORDS}),
    "granite": Case("granite", granite, "bfloat16", {**WIDTHS, **TYPES, **GRANITE}),
    "gemma3": Case("gemma3", gemma, "bfloat16", GEMMA),
    "gemma3-other-layers": Case("gemma3-other-layers", gemma, "float32", {**GEMMA, **PATTERN}),
}


def make(folder: Path, case: Case) -> Path:
    folder.mkdir()
    kind, _, config = FAMILIES[case.shape]
    size = case.tokenizer(folder)
    return make_weights(folder, kind, {**SHAPE, **config, "vocab_size": size}, case.dtype, shard="1MB")


def require_same_tensors(ours: gguf.GGUFReader, theirs: gguf.GGUFReader) -> None:
    """Names, shapes, types and every byte."""
    one = {tensor.name: tensor for tensor in ours.tensors}
    two = {tensor.name: tensor for tensor in theirs.tensors}
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        assert tensor.shape.tolist() == two[name].shape.tolist(), name
        assert tensor.tensor_type == two[name].tensor_type, name
        assert tensor.data.tobytes() == two[name].data.tobytes(), name


def differing_keys(ours: gguf.GGUFReader, theirs: gguf.GGUFReader) -> set[str]:
    """Keys of metadata that only one file has, or that differ in type or value; an architecture is `*`."""
    names = {field for field in (*ours.fields, *theirs.fields) if not field.startswith("GGUF.")}
    arch = ours.fields["general.architecture"].contents()
    differ = set()
    for name in names:
        pair = [reader.fields.get(name) for reader in (ours, theirs)]
        fields = [(field.types, field.contents()) if field else None for field in pair]
        if fields[0] != fields[1]:
            differ.add("*" + name.removeprefix(arch) if name.startswith(f"{arch}.") else name)
    return differ


def require_own_flags(ours: gguf.GGUFReader, theirs: gguf.GGUFReader) -> None:
    """Kinds of tokens differ only where the script makes what text may hold a control token."""
    kinds = [reader.fields["tokenizer.ggml.token_type"].contents() for reader in (ours, theirs)]
    differ = {pair for pair in zip(*kinds, strict=True) if pair[0] != pair[1]}
    assert differ <= {(gguf.TokenType.USER_DEFINED, gguf.TokenType.CONTROL)}


@pytest.mark.parametrize("name", CASES)
def test_every_tensor_and_every_key_is_llama_cpps(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    folder = make(tmp_path / f"Umi-{name}-Instruct", case)
    pre = splitting_of(case.like) if case.like else ""
    theirs = gguf.GGUFReader(run_theirs(folder, tmp_path / "theirs.gguf", "f16", pre))
    out = convert(folder, tmp_path / "ours.gguf", "f16")
    ours = gguf.GGUFReader(out)
    require_same_tensors(ours, theirs)
    assert differing_keys(ours, theirs) == set(case.differ)
    require_own_flags(ours, theirs)
    expected = 2 * len(READ_ALIKE) + len(lookalikes(folder))
    with open_gguf(out, 64) as gguf_model:
        assert check_tokenizer(gguf_model, folder, READ_ALIKE) == expected


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft 0.21 reads a renamed attribute
@pytest.mark.parametrize("activated", [False, True])
@pytest.mark.parametrize("name", ["llama3", "qwen3"])
def test_adapters_are_llama_cpps(name: str, activated: bool, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    base = make_family(tmp_path / "base", name)
    config = LoraConfig(
        r=4,
        lora_alpha=6,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
        alora_invocation_tokens=[7, 8] if activated else None,
    )
    model: Any = get_peft_model(load_model(base), config)
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(tmp_path / "adapter")
    made = run_theirs_on_adapter(tmp_path / "adapter", base, tmp_path / "theirs.gguf", "f16")
    theirs = gguf.GGUFReader(made)
    out = write_adapter(read_adapter(tmp_path / "adapter"), base, tmp_path / "ours.gguf", "f16")
    ours = gguf.GGUFReader(out)
    require_same_tensors(ours, theirs)
    assert differing_keys(ours, theirs) == set(ADAPTER_KEYS)


@pytest.mark.parametrize("kind", ["f32", "bf16", "q8_0"])
def test_the_other_types_are_llama_cpps(kind: FloatType, tmp_path: Path) -> None:
    folder = make_family(tmp_path / "umi", "smollm2")
    theirs = run_theirs(folder, tmp_path / "theirs.gguf", kind, splitting_of(SMOLLM))
    ours = gguf.GGUFReader(convert(folder, tmp_path / "ours.gguf", kind))
    require_same_tensors(ours, gguf.GGUFReader(theirs))
    assert differing_keys(ours, gguf.GGUFReader(theirs)) == set(CASES["smollm2"].differ)
