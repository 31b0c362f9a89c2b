"""GGUF files that cannot be imported: each is refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf_imports import make_file, rewrite, silent

from agent.errors import InputError
from export.base_import import import_base


def without(key: str) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda values, tensors: values.pop(key)


def with_value(key: str, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda values, tensors: values.update({key: value})


def without_tensor(name: str) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda values, tensors: tensors.pop(name)


def with_tensor(name: str, *shape: int) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda values, tensors: tensors.update({name: np.full(shape, 0.5, np.float32)})


def not_finite(values: dict[str, Any], tensors: dict[str, Any]) -> None:
    tensors["blk.1.ffn_up.weight"][3, 4] = np.nan


@pytest.mark.parametrize(
    ("family", "change", "said"),
    [
        ("smollm2", with_value("general.architecture", "mamba"), "is of the family mamba; known are qwen2"),
        ("smollm2", with_value("general.type", "adapter"), r"holds no model \(adapter\)"),
        ("smollm2", with_value("split.count", 3), "is one of 3 parts"),
        ("smollm2", without("llama.block_count"), "says nothing usable of llama.block_count"),
        ("smollm2", with_value("llama.rope.scaling.type", "yarn"), r"scales its positions \(yarn\)"),
        ("smollm2", with_value("llama.rope.dimension_count", 8), "is not 16, the width of a head"),
        ("llama3", with_tensor("rope_freqs.weight", 8), "by factors of its own"),
        ("qwen2", with_value("tokenizer.ggml.pre", "tekken"), "the pre-tokenizer tekken is unknown"),
        ("qwen2", without("tokenizer.ggml.pre"), "the pre-tokenizer of no name is unknown"),
        ("qwen2", with_value("tokenizer.ggml.model", "bert"), r"no BPE tokenizer \(bert\)"),
        ("qwen2", without("tokenizer.ggml.merges"), "nothing usable of tokenizer.ggml.merges"),
        ("gemma3", with_value("tokenizer.ggml.add_space_prefix", True), "adds a space before a text"),
        (
            "qwen2",
            without_tensor("blk.1.attn_k.weight"),
            r"lacks 1 tensors, model\.layers\.1\.self_attn\.k_proj",
        ),
        (
            "qwen2",
            without_tensor("blk.2.attn_q.bias"),
            r"lacks 1 tensors, model\.layers\.2\.self_attn\.q_proj\.bias",
        ),
        ("llama-linear", without_tensor("blk.2.attn_q.bias"), r"lacks 1 tensors"),
        ("qwen2", without_tensor("token_embd.weight"), r"lacks 1 tensors, model\.embed_tokens"),
        ("qwen2", with_tensor("blk.0.ffn_gate_exps.weight", 4, 8), r"no tensor blk\.0\.ffn_gate_exps"),
        (
            "qwen2",
            with_tensor("blk.0.attn_output.bias", 64),
            r"a qwen2 has no model\.layers\.0\.self_attn\.o_proj",
        ),
        ("qwen2", with_tensor("output_norm.weight", 32), "output_norm.weight is 32, and by the metadata 64"),
        ("qwen2", not_finite, r"blk\.1\.ffn_up\.weight holds NaN"),
    ],
)
def test_what_cannot_be_imported_is_one_clear_line(
    family: str, change: Callable[[dict[str, Any], dict[str, Any]], None], said: str, tmp_path: Path
) -> None:
    file = rewrite(make_file(tmp_path, family), tmp_path / "bad.gguf", change)
    with pytest.raises(InputError, match=said) as raised:
        import_base(str(file), tmp_path / "out" / "base", silent)
    assert "\n" not in str(raised.value)
    assert not list((tmp_path / "out").glob("*"))


def test_files_that_are_damaged_are_named(tmp_path: Path) -> None:
    file = make_file(tmp_path, "qwen2")
    whole = file.read_bytes()
    bad = tmp_path / "bad.gguf"
    for content, said in (
        (b"", "is not a GGUF file"),
        (b"PK\x03\x04" + whole[4:], "is not a GGUF file"),
        (whole[:4] + b"\x09" + whole[5:], "of version 9"),
        (whole[:200], "is damaged: its header ends early"),
        (whole[:8] + b"\xff" * 8 + whole[16:], "is damaged: it claims to hold 18446744073709551615 tensors"),
        (whole[:-1000], "is cut short"),
    ):
        bad.write_bytes(content)
        with pytest.raises(InputError, match=said):
            import_base(str(bad), tmp_path / "out" / "base", silent)
    assert not list((tmp_path / "out").glob("*"))
