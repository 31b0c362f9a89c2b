"""Converting and quantizing: llama.cpp computes what torch computes; what cannot be written is refused."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from fakes import run_export as main
from full_disk import full_disk
from tiny_base import make_base

from agent.errors import BundleError, EngineError, InputError, UmiError
from agent.llama.binding.gguf_model import open_gguf
from agent.prompting.encoding import load_tokenize
from export.gguf.convert import convert
from export.gguf.tensors import FloatType
from export.merge.selection import load_model
from export.proof.tokenizer import HARD_TEXTS, check_tokenizer, lookalikes
from export.quantize.quantize import quantize
from train.model.weights.reader import StoredTensor


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("gguf") / "base")


@pytest.fixture(scope="module")
def full(base: Path) -> Path:
    return convert(base, base.parent / "full.gguf", "f32")


def test_llama_cpp_has_the_logits_of_torch(base: Path, full: Path) -> None:
    ids = load_tokenize(base)("<|im_start|>user\nadd 17 and 2.5 “now”<|im_end|>\n", True) * 3
    with torch.no_grad():
        theirs = load_model(base)(input_ids=torch.tensor([ids])).logits[0].numpy()
    with open_gguf(full, len(ids)) as gguf_model:
        np.testing.assert_allclose(gguf_model.logits(ids, 0), theirs, atol=1e-4)
        np.testing.assert_allclose(gguf_model.logits(ids, 5, chunk=7), theirs[5:], atol=1e-4)


def test_the_tokenizer_is_the_same(base: Path, full: Path) -> None:
    with open_gguf(full, 64) as gguf_model:
        assert check_tokenizer(gguf_model, base) == 2 * len(HARD_TEXTS) + len(lookalikes(base))
        assert gguf_model.tokenize("<|im_end|>", True) == [2]
        assert 2 not in gguf_model.tokenize("<|im_end|>", False)


def test_a_tokenizer_that_differs_is_named(base: Path, full: Path, tmp_path: Path) -> None:
    value = json.loads((base / "tokenizer.json").read_text())
    value["model"]["merges"] = value["model"]["merges"][:5]
    (tmp_path / "tokenizer.json").write_text(json.dumps(value))
    with open_gguf(full, 64) as gguf_model, pytest.raises(UmiError, match=r"full\.gguf tokenizes"):
        check_tokenizer(gguf_model, tmp_path)


def test_metadata_says_what_ends_a_turn_and_adds_no_bos(full: Path) -> None:
    fields = gguf.GGUFReader(full).fields
    metadata = {
        key: fields[f"tokenizer.ggml.{key}"].contents() for key in ("pre", "eos_token_id", "add_bos_token")
    }
    assert metadata == {"pre": "qwen2", "eos_token_id": 2, "add_bos_token": False}
    assert fields["tokenizer.ggml.token_type"].contents()[:4] == [3, 3, 3, 1]
    assert "output.weight" not in {tensor.name for tensor in gguf.GGUFReader(full).tensors}


@pytest.mark.parametrize("kind", ["f16", "q8_0", "q6_k", "q5_k_m", "q4_k_m"])
def test_a_quantized_file_runs_and_is_near(base: Path, full: Path, tmp_path: Path, kind: str) -> None:
    ids = list(range(3, 43))
    small = quantize(full, tmp_path / f"{kind}.gguf", kind)
    assert small.stat().st_size < full.stat().st_size
    with open_gguf(full, 64) as one, open_gguf(small, 64) as two:
        exact, near = one.logits(ids, 20), two.logits(ids, 20)
    assert 0 < np.abs(exact - near).max() < 0.5 * np.abs(exact).max()


def test_a_tokenizer_that_makes_control_tokens_of_text_is_refused(
    base: Path, full: Path, tmp_path: Path
) -> None:
    value = json.loads((base / "tokenizer.json").read_text())
    ids = value["model"]["vocab"]
    word = next(word for word in ids if len(word) > 3 and word.isalpha())
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    value["added_tokens"].append({"id": ids[word], "content": word, "special": True, **flags})
    (tmp_path / "tokenizer.json").write_text(json.dumps(value))
    with (
        open_gguf(full, 64) as gguf_model,
        pytest.raises(UmiError, match="so any text could end a turn; use a"),
    ):
        check_tokenizer(gguf_model, tmp_path)


def broken(base: Path, place: Path, **config: Any) -> Path:
    copy = Path(shutil.copytree(base, place / "copy"))
    value = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**value, **config}))
    return copy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"architectures": ["MambaForCausalLM"]},
            "is a MambaForCausalLM; known are Qwen2ForCausalLM, Qwen3For",
        ),
        ({"rope_parameters": {"rope_type": "yarn"}}, r"scales its positions \(yarn\)"),
        ({"use_sliding_window": True}, "sliding window"),
        ({"vocab_size": 100}, r"embed_tokens\.weight is 389 x 64, and by config\.json 100 x 64"),
    ],
)
def test_what_cannot_be_written_is_refused(
    base: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        convert(broken(base, tmp_path, **change), tmp_path / "out.gguf")
    assert not list(tmp_path.glob("*.gguf*"))


def refuse(folder: Path, tmp_path: Path, message: str, kind: FloatType = "f32") -> None:
    """Converting fails with `said` in one line and leaves what was there before."""
    old = tmp_path / "out.gguf"
    old.write_text("GGUF an older one")
    with pytest.raises(UmiError, match=message) as caught:
        convert(folder, old, kind)
    assert "\n" not in str(caught.value)
    assert old.read_text() == "GGUF an older one"
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(("number", "kind"), [(float("nan"), "f32"), (float("inf"), "q8_0"), (1e5, "f16")])
def test_a_number_that_cannot_be_written_is_refused(
    base: Path, tmp_path: Path, number: float, kind: FloatType
) -> None:
    from safetensors.torch import load_file, save_file

    copy = broken(base, tmp_path)
    tensors = load_file(copy / "model.safetensors")
    tensors["model.layers.1.mlp.up_proj.weight"][3, 4] = number
    save_file(tensors, copy / "model.safetensors")
    why = "is too large for f16" if kind == "f16" else "holds NaN or infinity"
    refuse(copy, tmp_path, rf"layers\.1\.mlp\.up_proj\.weight {why}", kind)


def test_missing_or_truncated_files_are_named(base: Path, tmp_path: Path) -> None:
    copy = broken(base, tmp_path)
    load_model(base).save_pretrained(copy, max_shard_size="100KB")
    (copy / "model.safetensors").unlink()
    assert convert(copy, tmp_path / "whole.gguf").is_file()
    shards = sorted(copy.glob("model-*"))
    content = shards[1].read_bytes()
    for size, message in (
        (len(content) - 1, rf"cut short: it has {len(content) - 1} of {len(content)} bytes"),
        (100, "cut short or no safetensors file"),
        (3, r"no safetensors file \(3 bytes\)"),
    ):
        shards[1].write_bytes(content[:size])
        refuse(copy, tmp_path, rf"{shards[1].name} is {message}|{shards[1].name} is .*{message}")
    shards[1].write_bytes(content[:8] + b"?" + content[9:])
    refuse(copy, tmp_path, f"{shards[1].name} is damaged")
    shutil.copy(shards[0], shards[1])
    refuse(copy, tmp_path, f"{shards[1].name} lacks model.*, which model.safetensors.index.json names")
    shards[1].unlink()
    refuse(copy, tmp_path, f"lacks {shards[1].name}, which model.safetensors.index.json names")
    (copy / "model.safetensors.index.json").write_text("{}")
    refuse(copy, tmp_path, "index.json cannot be read")
    (copy / "model.safetensors.index.json").unlink()
    refuse(copy, tmp_path, "has neither model.safetensors nor")


def test_a_quantized_checkpoint_is_refused(base: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    copy = broken(base, tmp_path)
    tensors = load_file(copy / "model.safetensors")
    tensors["model.layers.0.mlp.up_proj.weight"] = torch.zeros(8, 4, dtype=torch.uint8)
    save_file(tensors, copy / "model.safetensors")
    refuse(copy, tmp_path, "up_proj.weight is stored as U8")


def test_a_full_disk_is_one_line(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with full_disk(100_000):
        refuse(base, tmp_path, "out.gguf cannot be written: File too large; free space")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1))
    refuse(base, tmp_path, r"out\.gguf takes \d+ MB and 0 MB are free")


def test_an_interrupted_conversion_leaves_nothing(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = StoredTensor.blocks

    def stop(stored: StoredTensor, step: int = 1) -> Iterator[Any]:
        if "layers.1.mlp" in stored.name:
            assert (tmp_path / "out.gguf.part").is_file()
            raise KeyboardInterrupt
        return blocks(stored, step)

    monkeypatch.setattr(StoredTensor, "blocks", stop)
    with pytest.raises(KeyboardInterrupt):
        convert(base, tmp_path / "out.gguf")
    assert not list(tmp_path.glob("out*"))


def test_an_unknown_tokenizer_is_refused(base: Path, tmp_path: Path) -> None:
    copy = broken(base, tmp_path)
    text = (copy / "tokenizer.json").read_text()
    value = json.loads(text)
    value["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"\w+"
    (copy / "tokenizer.json").write_text(json.dumps(value))
    with pytest.raises(InputError, match="splits text in an unknown way; known are qwen2"):
        convert(copy, tmp_path / "out.gguf")
    value = json.loads(text)
    value["normalizer"] = {"type": "Lowercase"}
    (copy / "tokenizer.json").write_text(json.dumps(value))
    with pytest.raises(InputError, match="Lowercase"):
        convert(copy, tmp_path / "out.gguf")


def test_a_damaged_file_is_an_error_not_a_crash(full: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(full.read_bytes()[:2000])
    with pytest.raises(BundleError, match=r"damaged\.gguf is damaged: "):
        quantize(damaged, tmp_path / "out.gguf", "q8_0")
    with (
        pytest.raises(EngineError, match=r"damaged\.gguf is damaged: .*; export it again"),
        open_gguf(damaged, 64),
    ):
        pass


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("config.json", lambda value: value.pop("max_position_embeddings"), "nothing usable of max_position"),
        ("config.json", lambda value: value.update(num_hidden_layers="two"), "nothing usable of num_hidden"),
        ("config.json", lambda value: value.update(num_hidden_layers=10**9), r"says 1000000000 layers, and"),
        ("config.json", lambda value: value.update(num_attention_heads=0), "nothing usable of num_attention"),
        ("config.json", lambda value: value.update(hidden_size=128), r"is \d+ x 64, and by config.json"),
        (
            "config.json",
            lambda value: value.update(architectures="Q"),
            "is a model of no known kind; known are",
        ),
        (
            "config.json",
            lambda value: value.update(quantization_config={"bits": 4}),
            "holds quantized weights",
        ),
        ("config.json", lambda value: [], "has no readable config.json"),
        ("tokenizer.json", lambda value: value["model"].pop("merges"), "no readable tokenizer.json"),
        ("tokenizer_config.json", lambda value: 7, "tokenizer_config.json is damaged"),
    ],
)
def test_a_damaged_checkpoint_is_one_line(
    file: str, change: Any, message: str, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = broken(base, tmp_path)
    value = json.loads((copy / file).read_text())
    other = change(value)
    (copy / file).write_text(json.dumps(other if other in ([], 7) else value))
    code = main(["convert", str(copy), str(tmp_path / "out.gguf")])
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert code == 2
    assert re.search(message, err)
    assert err.count("\n") == 1
    assert not (tmp_path / "out.gguf").exists()


@pytest.mark.parametrize("kind", ["f16", "q5_k_m"])
@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_a_checkpoint_is_not_written_over(
    kind: str, file: str, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = broken(base, tmp_path)
    before = (copy / file).read_bytes()
    assert main(["convert", str(copy), str(copy / file), "--type", kind]) == 2
    assert "exists and is not a GGUF file; name another file" in capsys.readouterr().err
    assert (copy / file).read_bytes() == before


@pytest.mark.parametrize("kind", ["f16", "q5_k_m"])
def test_a_place_that_cannot_be_written_is_one_line(
    kind: str, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    for out, code in ((tmp_path, 2), (tmp_path / "file" / "out.gguf", 1)):
        assert main(["convert", str(base), str(out), "--type", kind]) == code
        err = capsys.readouterr().err
        assert err.startswith("umi: ")
        assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_command_converts(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "out.gguf"
    for kind in ("f16", "bf16", "q8_0", "Q5_K_M"):
        assert main(["convert", str(base), str(out), "--type", kind]) == 0
        assert capsys.readouterr().out.strip() == str(out)
        assert [file.name for file in out.parent.iterdir()] == ["out.gguf"]
    for argv in (
        ["convert", str(base), str(out), "--type", "q9"],
        ["convert", str(tmp_path), str(out)],
        ["fly"],
    ):
        assert main(argv) == 2
        output = capsys.readouterr().err
        assert output.startswith("umi: ")
        assert output.count("\n") == 1
