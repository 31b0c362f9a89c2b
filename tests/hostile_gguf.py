"""Hostile GGUF files: one very small model, or adapter, damaged or forged in one place each."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from forged_gguf import (
    ALL,
    ARRAY,
    F32,
    HUGE,
    I32,
    STRING,
    U8,
    U16,
    U32,
    U64,
    Forged,
    Tensor,
    taken_apart,
)


def hostile_files(whole: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each file that is made of the GGUF model `whole`."""
    parts = taken_apart(whole)
    yield from _damaged(parts.encode())
    for name, change in _changes(parts):
        forged = deepcopy(parts)
        change(forged)
        yield name, forged.encode()


def hostile_adapters(whole: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each file that is made of the GGUF adapter `whole`."""
    parts = taken_apart(whole)
    for name, change in [*_counts(), *_adapter_values(parts.tensors[0])]:
        forged = deepcopy(parts)
        change(forged)
        yield name, forged.encode()


def _adapter_values(first: Tensor) -> Iterator[tuple[str, Any]]:
    def tensor(**changes: Any) -> Any:
        def change(forged: Forged) -> None:
            for attribute, value in changes.items():
                setattr(forged.tensors[0], attribute, value)
            forged.lay_out()

        return change

    for value in (math.nan, math.inf, -1.0, 0.0, 3e38):
        yield f"alpha {value}", _put("adapter.lora.alpha", F32, value)
    yield "alpha as text", _put("adapter.lora.alpha", STRING, "4")
    yield "no alpha", _drop("adapter.lora.alpha")
    for kind in ("model", "", "x" * 10_000):
        yield f"type {kind[:9]!r}", _put("general.type", STRING, kind)
        yield f"adapter type {kind[:9]!r}", _put("adapter.type", STRING, kind)
        yield f"architecture {kind[:9]!r}", _put("general.architecture", STRING, kind)
    invocation = "adapter.alora.invocation_tokens"
    for kind in (STRING, F32, U64, I32, U8):
        yield f"invocation of type {kind}", _put(invocation, ARRAY, ["1"] if kind == STRING else [1], kind)
    yield "invocation as a number", _put(invocation, U32, 1)
    yield "no invocation", _put(invocation, ARRAY, [], U32)
    yield "an invocation of 2**32 - 1", _put(invocation, ARRAY, [2**32 - 1], U32)
    yield "a long invocation", _put(invocation, ARRAY, [1] * 100_000, U32)
    for kind in (1, 8, 24, 26, 28, 30, 39):
        yield f"laid out in type {kind}", tensor(kind=kind, dims=[64, 4])
    for dims in ([1], [64], [64, 1], [1, 64], [63, 4], [64, 5], [64, 4, 2], [64, 4, 1, 1], [1, 1]):
        yield f"laid out as {dims}", tensor(dims=dims)
    for name in (
        "",
        "x",
        ".lora_a",
        "blk.0.attn_q.weight",
        "blk.99.attn_q.weight.lora_a",
        "token_embd.weight.lora_a",
    ):
        yield f"named {name!r}", tensor(name=name)
    yield "no tensors", lambda forged: forged.tensors.clear()
    yield "half of a pair", lambda forged: forged.tensors.remove(forged.tensors[0]) or forged.lay_out()


def _damaged(content: bytes) -> Iterator[tuple[str, bytes]]:
    yield "empty", b""
    yield "magic alone", content[:4]
    yield "other magic", b"GGML" + content[4:]
    for version in (0, 1, 99, 2**31, 0x03000000):
        yield f"version {version}", content[:4] + struct.pack("<I", version) + content[8:]
    for share in (0.001, 0.01, 0.02, 0.03, 0.1, 0.5, 0.9):
        yield f"cut at {share}", content[: int(len(content) * share)]
    yield "cut by a byte", content[:-1]
    yield "zeros after the header", content[:24] + bytes(len(content) - 24)
    yield "text", b"GGUF is a file format for models. " * 100


def _changes(parts: Forged) -> Iterator[tuple[str, Any]]:
    yield from _counts()
    yield from _entries()
    yield from _sizes(parts.values["general.architecture"].content)
    yield from _vocabularies(len(parts.values["tokenizer.ggml.tokens"].content))


def _assign(attribute: str, value: Any) -> Any:
    return lambda forged: setattr(forged, attribute, value)


def _put(key: str, *value: Any) -> Any:
    return lambda forged: forged.set(key, *value)


def _drop(key: str) -> Any:
    return lambda forged: forged.values.pop(key)


def _counts() -> Iterator[tuple[str, Any]]:
    for name in ("tensor_count", "value_count"):
        for count in (0, 5, 1000, 2**32, HUGE, ALL):
            yield f"{name} {count}", _assign(name, count)
    for length in (0, 2**31, HUGE, ALL):
        yield f"key length {length}", _assign("key_length", length)
    for kind in (13, 255, 2**32 - 1):
        yield f"value of type {kind}", _put("x.y", kind, b"")
    for count in (2**20, 2**40, HUGE, ALL):
        yield f"string of {count}", _put("x.y", STRING, "text", 0, count)
        yield f"array of {count} numbers", _put("x.y", ARRAY, [1], U32, count)
        yield f"array of {count} strings", _put("x.y", ARRAY, ["a"], STRING, count)
    yield "array of 2**61 of 8 bytes", _put("x.y", ARRAY, [1], U64, 2**61)
    yield "array of arrays", _put("x.y", ARRAY, [], ARRAY)
    yield "array of type 77", _put("x.y", ARRAY, [], 77)
    yield "a bool of 77", _put("x.y", U8, 77)
    yield "a key of a megabyte", _put("k" * 2**20, U32, 1)
    yield "a key of no UTF-8", _put("\udcff", U32, 1)
    yield "a key with NUL", _put("general.\0name", U32, 1)
    yield "a key twice", _assign("extra", b"")


def _entries() -> Iterator[tuple[str, Any]]:
    def tensor(which: str, **changes: Any) -> Any:
        def change(forged: Forged) -> None:
            for attribute, value in changes.items():
                setattr(forged.tensor(which), attribute, value)

        return change

    def laid_out(which: str, **changes: Any) -> Any:
        def change(forged: Forged) -> None:
            tensor(which, **changes)(forged)
            forged.lay_out()

        return change

    def heads_of(size: int) -> Any:
        def change(forged: Forged) -> None:
            for key in ("key_length", "value_length"):
                forged.set(f"qwen3.attention.{key}", U32, size)
            for one in forged.tensors:
                if "attn_q_norm" in one.name or "attn_k_norm" in one.name:  # type: ignore[operator]
                    one.dims = [size]
                elif "attn_output." in one.name:  # type: ignore[operator]
                    one.dims[0] = 4 * size
                elif any(f"attn_{part}." in one.name for part in "qkv"):  # type: ignore[operator]
                    one.dims[1] = 4 * size
            forged.lay_out()

        return change

    embedding, norm = "token_embd.weight", "output_norm.weight"
    for dims in (
        [0, 64],
        [64, 0],
        [HUGE, 1],
        [2**32, 2**32],
        [2**62, 4],
        [64, 2**40],
        [64],
        [1, 1],
        [64, 8, 40],
    ):
        yield f"dimensions {dims}", tensor(embedding, dims=dims)
    for count in (0, 1, 5, 2**31, 2**32 - 1):
        yield f"{count} dimensions", tensor(embedding, count=count)
    for kind in (2, 4, 5, 8, 16, 24, 31, 36, 99, 2**31, 2**32 - 1):
        yield f"tensor type {kind}", tensor(embedding, kind=kind)
    for offset in (1, 32, 2**20 * 32, HUGE, ALL - 31):
        yield f"offset {offset}", tensor(norm, offset=offset)
    for kind in (1, 8, 24, 26):
        yield f"norm of type {kind}", tensor(norm, kind=kind)
    yield "a name of 64 letters", tensor(norm, name="n" * 64)
    yield "a name of a megabyte", tensor(norm, name="n" * 2**20)
    yield "an empty name", tensor(norm, name="")
    yield "a name of no UTF-8", tensor(norm, name=b"\xff\xfe")
    yield "a name twice", tensor(norm, name=embedding)
    yield "a name that is missing", tensor(norm, name="other")
    yield "no tensors", lambda forged: forged.tensors.clear()
    for name in (embedding, norm, "blk.1.attn_q.weight", "blk.0.attn_q_norm.weight"):
        for kind in (1, 2, 8, 20, 24, 25, 26, 27, 28, 30, 39, 40):
            yield f"{name} laid out in type {kind}", laid_out(name, kind=kind)
    for dims in ([64], [64, 64, 1], [64, 64, 1, 1], [64, 1], [1, 64], [64, 1, 1, 64]):
        yield f"attn_q laid out as {dims}", laid_out("blk.1.attn_q.weight", dims=dims)
        yield f"norm laid out as {dims}", laid_out(norm, dims=dims)
    for head in (1, 2, 3, 7, 15):
        yield f"heads of {head}", heads_of(head)
    yield "a tensor too many", lambda forged: forged.tensors.append(Tensor("more", [64], 0, 0))


def _sizes(arch: str) -> Iterator[tuple[str, Any]]:
    wrong: dict[str, tuple[int, ...]] = {
        "context_length": (0, 1, 2**31, 2**32 - 1),
        "embedding_length": (0, 1, 63, 2**31, 2**32 - 1),
        "block_count": (0, 1, 3, 512, 513, 2**20, 2**31, 2**32 - 1),
        "feed_forward_length": (0, 1, 2**32 - 1),
        "attention.head_count": (0, 1, 3, 2**20, 2**32 - 1),
        "attention.head_count_kv": (0, 1, 3, 5, 2**32 - 1),
        "attention.key_length": (0, 1, 7, 32, 2**31, 2**32 - 1),
        "attention.value_length": (0, 1, 7, 32, 2**32 - 1),
        "rope.dimension_count": (0, 1, 7, 64, 2**32 - 1),
        "vocab_size": (0, 1, 2**32 - 1),
        "expert_count": (1, 2, 4096, 2**32 - 1),
        "expert_used_count": (1, 2**32 - 1),
        "attention.sliding_window": (0, 1, 2**32 - 1),
        "leading_dense_block_count": (2**32 - 1,),
        "nextn_predict_layers": (1, 3, 2**32 - 1),
    }
    for key, numbers in wrong.items():
        for number in numbers:
            yield f"{key} {number}", _put(f"{arch}.{key}", U32, number)
        yield f"{key} as text", _put(f"{arch}.{key}", STRING, "12")
        yield f"{key} as a list", _put(f"{arch}.{key}", ARRAY, [1, 2, 3], U32)
        yield f"{key} as an empty list", _put(f"{arch}.{key}", ARRAY, [], U32)
    for key in ("rope.freq_base", "attention.layer_norm_rms_epsilon", "rope.scaling.factor", "logit_scale"):
        for number in (math.nan, math.inf, -math.inf, -1.0, 0.0, 3e38):
            yield f"{key} {number}", _put(f"{arch}.{key}", F32, number)
    for kind in ("", "yarn", "longrope", "x" * 10_000):
        yield f"rope scaling {kind[:9]}", _put(f"{arch}.rope.scaling.type", STRING, kind)
    yield "rope sections", _put(f"{arch}.rope.dimension_sections", ARRAY, [1] * 9, U32)
    for key in ("context_length", "embedding_length", "block_count", "attention.head_count"):
        yield f"no {key}", _drop(f"{arch}.{key}")
    for alignment in (0, 1, 3, 8, 2**31, 2**32 - 1):
        yield f"alignment {alignment}", _put("general.alignment", U32, alignment)
    yield "alignment as text", _put("general.alignment", STRING, "32")
    for other in ("", "llama", "gemma3", "mamba", "bert", "clip", "t5", "qwen3moe", "x" * 10_000, "qwen3\0"):
        yield f"architecture {other[:9]!r}", _put("general.architecture", STRING, other)
    yield "architecture as a number", _put("general.architecture", U32, 3)
    yield "no architecture", _drop("general.architecture")
    for kind in ("adapter", "", "x" * 10_000):
        yield f"type {kind[:9]!r}", _put("general.type", STRING, kind)
    for count in (2, 65_535):
        yield f"{count} parts", _put("split.count", U16, count)
        yield f"part {count}", _put("split.no", U16, count)


def _vocabularies(size: int) -> Iterator[tuple[str, Any]]:
    key = "tokenizer.ggml."
    tokens = key + "tokens"
    for name in ("", "llama", "bert", "t5", "rwkv", "plamo2", "none", "no_vocab", "gpt3", "x" * 10_000):
        yield f"tokenizer {name[:9]!r}", _put(key + "model", STRING, name)
    for name in ("", "llama-bpe", "qwen2", "smollm", "deepseek-llm", "unknown"):
        yield f"pre-tokenizer {name!r}", _put(key + "pre", STRING, name)
    yield "tokenizer as a number", _put(key + "model", U32, 1)
    yield "pre-tokenizer as a number", _put(key + "pre", U32, 1)

    def changed(name: str, change: Any) -> Any:
        return lambda forged: change(forged.values[key + name].content)

    yield "no tokens", _put(tokens, ARRAY, [], STRING)
    yield "tokens that are numbers", _put(tokens, ARRAY, [1] * size, U32)
    yield "tokens as text", _put(tokens, STRING, "a b c")
    yield "a token too few", changed("tokens", lambda content: content.pop())
    yield "a token too many", changed("tokens", lambda content: content.append("more"))
    yield "tokens missing", _drop(tokens)
    for text in ("", "\udcff\udcfe", "x" * 2**20, "a\0b"):
        yield (
            f"a token {text[:4]!r}",
            changed("tokens", lambda content, text=text: content.__setitem__(300, text)),
        )
    yield (
        "one token for all",
        changed("tokens", lambda content: content.__setitem__(slice(None), ["a"] * size)),
    )
    yield "empty tokens", changed("tokens", lambda content: content.__setitem__(slice(None), [""] * size))
    for name in ("token_type", "scores"):
        for item in (U32, I32, F32, STRING):
            content = ["1"] * size if item == STRING else [1] * size
            yield f"{name} of type {item}", _put(key + name, ARRAY, content, item)
        for count in (0, 1, size - 1, size + 1):
            item = F32 if name == "scores" else I32
            yield f"{count} of {name}", _put(key + name, ARRAY, [1] * count, item)
    yield "token types of 99", _put(key + "token_type", ARRAY, [99] * size, I32)
    yield "token types of -1", _put(key + "token_type", ARRAY, [-1] * size, I32)
    yield "scores of NaN", _put(key + "scores", ARRAY, [math.nan] * size, F32)
    merges: tuple[tuple[str, list[str]], ...] = (
        ("none", []), ("empty", [""]), ("one word", ["ab"]), ("a space", [" "]), ("two spaces", ["  "]),
        ("unknown words", ["qq zz"]), ("no UTF-8", ["\udcff \udcfe"]), ("the same", ["t h"] * 1000),
    )  # fmt: skip
    for name, content in merges:
        yield f"merges: {name}", _put(key + "merges", ARRAY, content, STRING)
    yield "merges of numbers", _put(key + "merges", ARRAY, [1, 2], U32)
    yield "merges missing", _drop(key + "merges")
    for name in ("bos", "eos", "eot", "eom", "unknown", "separator", "padding", "mask", "fim_pre"):
        for token in (size, 2**31, 2**32 - 1):
            yield f"{name} {token}", _put(f"{key}{name}_token_id", U32, token)
        yield f"{name} as text", _put(f"{key}{name}_token_id", STRING, "1")
    yield "an end of -1", _put(key + "eos_token_id", I32, -1)
    yield "add_bos as text", _put(key + "add_bos_token", STRING, "yes")
    yield "add_bos as a number", _put(key + "add_bos_token", U32, 2)
    for length in (0, 1, 7, 1000):
        yield f"a charsmap of {length}", _put(key + "precompiled_charsmap", ARRAY, [255] * length, U8)
    yield "a template as a number", _put("tokenizer.chat_template", U32, 1)
    yield "a template of no UTF-8", _put("tokenizer.chat_template", STRING, "\udcff")
    yield "a template of 4 MB", _put("tokenizer.chat_template", STRING, "x" * 2**22)
