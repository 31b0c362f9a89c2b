"""Every convertible family has the same logits and tokens in llama.cpp as in torch."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_families import FAMILIES, SHAPE, make_family, make_weights, write_tokenizer

from agent.errors import InputError
from agent.llama.binding.gguf_model import open_gguf
from agent.prompting.encoding import load_tokenize
from export.gguf.convert import convert
from export.gguf.tensors import FloatType
from export.merge.selection import load_model
from export.proof.tokenizer import HARD_TEXTS, check_tokenizer, lookalikes

LOOK_ALIKES = (
    "<|begin|>system<|im_end|>",
    "<tool_call>{}</tool_call> <tool_call >",
    "a▁b ▁▁ c",
    "<0x41><0x0A> <unk>",
    "don't DON'T 1234567890 ١٢٣ Ⅷ ㊿",
)


def half_gelu(values: torch.Tensor) -> torch.Tensor:
    """Gemma's activation as llama.cpp looks it up: in a table of f16, by f16."""
    exact = torch.nn.functional.gelu(values.half().float(), approximate="tanh")
    return exact.half().float()


@pytest.mark.parametrize("name", FAMILIES)
def test_llama_cpp_has_the_logits_of_torch(name: str, tmp_path: Path) -> None:
    folder = make_family(tmp_path / "checkpoint", name, shard="200KB")
    assert (folder / "model.safetensors.index.json").is_file()
    out = convert(folder, tmp_path / "out.gguf", "f32")
    ids = load_tokenize(folder)("".join(HARD_TEXTS), True)[:120]
    model, near = load_model(folder), 1e-5
    if name.startswith("gemma"):
        # What rounds to one half in torch and to its neighbour in llama.cpp differs by 1/2048.
        near = 2e-3
        for layer in model.model.layers:
            layer.mlp.act_fn.forward = half_gelu
    with torch.no_grad():
        theirs = model(input_ids=torch.tensor([ids])).logits[0].numpy()
    with open_gguf(out, len(ids)) as gguf_model:
        np.testing.assert_allclose(gguf_model.logits(ids, 0), theirs, atol=near * np.abs(theirs).max())
        texts = (*HARD_TEXTS, *LOOK_ALIKES)
        assert check_tokenizer(gguf_model, folder, texts) == 2 * len(texts) + len(lookalikes(folder))


def tensors_of(file: Path) -> dict[str, gguf.ReaderTensor]:
    return {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors}


@pytest.mark.parametrize("source", ["bfloat16", "float16", "float32"])
def test_every_type_holds_what_the_checkpoint_holds(source: str, tmp_path: Path) -> None:
    folder = make_family(tmp_path / "checkpoint", "qwen2", dtype=source)
    stored = load_file(folder / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {getattr(torch, source)}
    up, norm = stored["model.layers.1.mlp.up_proj.weight"].float(), stored["model.norm.weight"].float()
    rounded: dict[FloatType, tuple[torch.Tensor, float]] = {
        "f32": (up, 0.0),
        "f16": (up.half().float(), 0.0),
        "bf16": (up.bfloat16().float(), 0.0),
        "q8_0": (up, float(up.abs().max()) / 250),
    }
    for kind, (expected, error) in rounded.items():
        made = tensors_of(convert(folder, tmp_path / f"{kind}.gguf", kind))
        tensor = made["blk.1.ffn_up.weight"]
        assert tensor.tensor_type.name == kind.upper()
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        np.testing.assert_allclose(values, expected.numpy(), rtol=0, atol=error)
        assert made["output_norm.weight"].tensor_type.name == "F32"
        np.testing.assert_array_equal(made["output_norm.weight"].data, norm.numpy())
        assert made["blk.0.attn_q.bias"].tensor_type.name == "F32"


def test_rows_that_q8_0_cannot_hold_are_f16(tmp_path: Path) -> None:
    size = write_tokenizer(tmp_path, "qwen2")
    make_weights(tmp_path, "Qwen2", {**SHAPE, "intermediate_size": 80, "vocab_size": size}, "float32")
    made = tensors_of(convert(tmp_path, tmp_path / "out.gguf", "q8_0"))
    assert made["blk.0.ffn_down.weight"].tensor_type.name == "F16"
    assert made["blk.0.ffn_up.weight"].tensor_type.name == "Q8_0"
    with open_gguf(tmp_path / "out.gguf", 64) as gguf_model:
        assert np.isfinite(gguf_model.logits([3, 4, 5], 0)).all()


def test_shards_make_the_same_file_as_one(tmp_path: Path) -> None:
    one = make_family(tmp_path / "a" / "same", "llama3", dtype="bfloat16")
    many = make_family(tmp_path / "b" / "same", "llama3", dtype="bfloat16", shard="50KB")
    assert len(list(many.glob("*.safetensors"))) > 3
    made = [tensors_of(convert(folder, folder.with_suffix(".gguf"), "f16")) for folder in (one, many)]
    assert {n: t.data.tobytes() for n, t in made[0].items()} == {
        n: t.data.tobytes() for n, t in made[1].items()
    }


def test_old_configs_mean_the_same(tmp_path: Path) -> None:
    """transformers 4 kept rope_theta, rope_scaling and rope_local_base_freq at the top of config.json."""
    for name in ("llama3", "gemma3"):
        folder = make_family(tmp_path / name, name)
        new = convert(folder, tmp_path / "new.gguf", "f32").read_bytes()
        config = json.loads((folder / "config.json").read_text())
        rope = config.pop("rope_parameters")
        if name == "gemma3":
            config["rope_theta"] = rope["full_attention"]["rope_theta"]
            config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
            config |= {"rope_scaling": None, "sliding_window_pattern": 6}
            del config["layer_types"], config["tie_word_embeddings"], config["_sliding_window_pattern"]
        else:
            config["rope_theta"] = rope.pop("rope_theta")
            config["rope_scaling"] = rope
        (folder / "config.json").write_text(json.dumps(config))
        assert convert(folder, tmp_path / "old.gguf", "f32").read_bytes() == new


def test_memory_is_bounded_by_a_block(tmp_path: Path) -> None:
    size = write_tokenizer(tmp_path, "qwen2")
    wide = {**SHAPE, "num_hidden_layers": 1, "intermediate_size": 1 << 17, "vocab_size": size}
    make_weights(tmp_path, "Qwen2", wide, "bfloat16")
    largest = max(tensor.nbytes for tensor in load_file(tmp_path / "model.safetensors").values())
    tracemalloc.start()
    try:
        convert(tmp_path, tmp_path / "out.gguf", "f16")
        assert tracemalloc.get_traced_memory()[1] < 1.5 * largest < 30e6
    finally:
        tracemalloc.stop()


def test_heads_are_permuted_correctly_in_small_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_family(tmp_path / "checkpoint", "llama-linear")
    whole = convert(folder, tmp_path / "whole.gguf").read_bytes()
    monkeypatch.setattr("train.model.weights.reader.BLOCK", 7 * SHAPE["hidden_size"])
    assert convert(folder, tmp_path / "pieces.gguf").read_bytes() == whole


def metadata(folder: Path, tmp_path: Path, **options: Any) -> dict[str, Any]:
    file = convert(folder, tmp_path / "metadata.gguf", "f16", **options)
    return {name: field.contents() for name, field in gguf.GGUFReader(file).fields.items()}


def test_the_tokenizers_bos_and_eos_are_written(tmp_path: Path) -> None:
    folder = make_family(tmp_path / "SmolLM2-135M-Instruct", "llama3")
    fields = metadata(folder, tmp_path)
    assert fields["tokenizer.ggml.add_bos_token"] is True
    assert (fields["tokenizer.ggml.bos_token_id"], fields["tokenizer.ggml.eos_token_id"]) == (1, 2)
    assert fields["tokenizer.chat_template"] == "{{ messages }}"
    assert (fields["general.name"], fields["general.basename"]) == ("SmolLM2 135M Instruct", "SmolLM2")
    (folder / "chat_template.jinja").write_text("{{ 1 }}")
    ours = metadata(folder, tmp_path, name="umi-planner", end="<|im_start|>")
    assert (ours["tokenizer.ggml.add_bos_token"], ours["tokenizer.ggml.eos_token_id"]) == (False, 3)
    assert (ours["general.name"], ours["tokenizer.chat_template"]) == ("umi-planner", "{{ 1 }}")
    assert "general.basename" not in ours


def test_tokens_that_occur_in_text_are_no_control_tokens(tmp_path: Path) -> None:
    fields = metadata(make_family(tmp_path / "gemma", "gemma3"), tmp_path)
    kinds = dict(zip(fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"], strict=True))
    assert kinds["<tool_call>"] == kinds["<tool result>"] == gguf.TokenType.USER_DEFINED
    assert kinds["<|im_end|>"] == gguf.TokenType.CONTROL
    assert kinds["<0x41>"] == gguf.TokenType.BYTE
    assert fields["tokenizer.ggml.add_space_prefix"] is False


Edit = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("smollm3", {"no_rope_layers": [1, 0, 1, 1, 1]}, "other layers than every fourth"),
        ("smollm3", {"use_sliding_window": True}, "sliding window"),
        ("qwen3", {"layer_types": ["full_attention", "sliding_attention"]}, "sliding window"),
        ("qwen3", {"rope_parameters": {"rope_type": "llama3", "rope_theta": 1e4}}, "llama3"),
        ("gemma3", {"query_pre_attn_scalar": 168}, "divides scores by the root of 168"),
        ("gemma3", {"attn_logit_softcapping": 50.0}, "attn_logit_softcapping"),
        ("gemma3", {"use_bidirectional_attention": True}, "use_bidirectional_attention"),
        ("granite", {"hidden_act": "gelu"}, "uses gelu"),
        ("llama3", {"partial_rotary_factor": 0.5}, "a part of each head"),
        ("qwen2", {"num_hidden_layers": 4}, r"lacks \d+ tensors, blk\.3\."),
        ("qwen2", {"num_hidden_layers": 2}, r"no place for model\.layers\.2\."),
        ("qwen2.5-tied", {"tie_word_embeddings": False}, r"lacks 1 tensors, output\.weight"),
    ],
)
def test_models_that_llama_cpp_computes_differently_are_refused(
    name: str, change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folder = make_family(tmp_path / "checkpoint", name)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(InputError, match=message):
        convert(folder, tmp_path / "out.gguf")
    assert not list(tmp_path.glob("out*"))


def less_merged(value: dict[str, Any]) -> None:
    merges = value["model"]["merges"]
    twice = [i for i, merge in enumerate(merges) if i and "".join(merge) == "".join(merges[i - 1])]
    del merges[twice[0]]


def lower(value: dict[str, Any]) -> None:
    value["normalizer"] = {"type": "Lowercase"}


def misnumber(value: dict[str, Any]) -> None:
    token = dict(value["added_tokens"][0], content="<|other|>", id=7)
    value["added_tokens"].append(token)


def spaced(value: dict[str, Any]) -> None:
    value["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = True


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        ("gemma3", less_merged, "never merges"),
        ("gemma3", lower, "changes a text before it splits it"),
        ("qwen2", misnumber, r"gives <\|other\|> the id 7"),
        ("smollm2", spaced, "adds a space before a text"),
    ],
)
def test_tokenizers_that_llama_cpp_would_not_follow_are_refused(
    name: str, edit: Edit, message: str, tmp_path: Path
) -> None:
    folder = make_family(tmp_path / "checkpoint", name)
    value = json.loads((folder / "tokenizer.json").read_text())
    edit(value)
    (folder / "tokenizer.json").write_text(json.dumps(value))
    with pytest.raises(InputError, match=message):
        convert(folder, tmp_path / "out.gguf")
    shutil.rmtree(folder)
    assert not list(tmp_path.iterdir()) or [p.name for p in tmp_path.iterdir()] == ["umi-home"]
