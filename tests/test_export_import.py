"""A GGUF file becomes a checkpoint that is the file's model: round trips, proof, and what is refused."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from full_disk import full_disk
from gguf_imports import make_file, rewrite, silent
from safetensors.torch import load_file
from tiny_families import FAMILIES, SHAPE, make_family, make_weights, write_tokenizer
from transformers import AutoTokenizer
from typer.testing import CliRunner

from agent.bundle.download.bases import InstalledBase, write_record
from agent.errors import InputError, UmiError
from agent.paths import bases_folder, sha256_of
from agent.prompting.encoding import load_tokenize
from export.base_import import IMPORT_RECORD, find_gguf, import_base
from export.convert import convert as convert_to_any
from export.gguf import checkpoint as checkpoints
from export.gguf.checkpoint import checkpoint_bytes, import_checkpoint
from export.gguf.convert import convert
from export.gguf.pretokenizer import SPLITTINGS
from export.gguf.reader import read_gguf
from export.gguf.tensors import FloatType, deinterleave, interleave
from export.proof import imported
from tui.cli.tree.root import umi

DTYPES: dict[FloatType, str] = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}


@pytest.mark.parametrize("family", FAMILIES)
def test_convert_after_import_gives_the_same_file(family: str, tmp_path: Path) -> None:
    for kind, dtype in DTYPES.items():
        original = make_family(tmp_path / dtype, family, dtype=dtype)
        file = convert(original, tmp_path / f"{kind}.gguf", kind, name="same")
        import_checkpoint(read_gguf(file), tmp_path / kind, silent)
        again = convert(tmp_path / kind, tmp_path / "again.gguf", kind, name="same")
        assert again.read_bytes() == file.read_bytes()
        matrices = {t.dtype for t in load_file(tmp_path / kind / "model.safetensors").values() if t.ndim > 1}
        assert matrices == {getattr(torch, dtype)}
        assert json.loads((tmp_path / kind / "config.json").read_text())["dtype"] == dtype


@pytest.mark.parametrize("family", FAMILIES)
def test_a_quantized_file_is_proven_and_recorded(family: str, tmp_path: Path) -> None:
    file = make_file(tmp_path, family, "q8_0")
    lines: list[str] = []
    folder = import_base(str(file), tmp_path / "base", lines.append)
    record = json.loads((folder / IMPORT_RECORD).read_text())
    assert (record["source"], record["bytes"]) == (file.name, file.stat().st_size)
    assert record["tensors_equal"] == len(read_gguf(file).tensors)
    logits = record["logits"]
    assert logits["agreed"] + logits["near_ties"] == logits["positions"] > 0
    assert "tokenizer: equal in" in lines[-2]
    assert "logits against llama.cpp" in lines[-1]
    assert {t.dtype for t in load_file(folder / "model.safetensors").values()} == {torch.float32}
    assert {path.name for path in tmp_path.iterdir()} - {"umi-home"} == {"base", file.name, "original"}


def test_weights_are_what_gguf_dequantizes(tmp_path: Path) -> None:
    wide = {**SHAPE, "hidden_size": 256, "intermediate_size": 256, "head_dim": 64}
    original = tmp_path / "wide"
    original.mkdir()
    size = write_tokenizer(original, "smollm")
    make_weights(original, "Llama", {**wide, "vocab_size": size}, "float32")
    for kind in ("q4_k_m", "q6_k", "q4_0", "iq4_nl"):
        file = convert_to_any(original, tmp_path / f"{kind}.gguf", kind, silent)
        import_checkpoint(read_gguf(file), tmp_path / kind, silent)
        tensor = next(one for one in gguf.GGUFReader(file).tensors if one.name == "blk.0.ffn_up.weight")
        expected = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        found = load_file(tmp_path / kind / "model.safetensors")["model.layers.0.mlp.up_proj.weight"]
        np.testing.assert_array_equal(found.numpy(), expected)


def test_transformers_reads_the_tokenizer_with_its_template_and_special_tokens(tmp_path: Path) -> None:
    file = make_file(tmp_path, "llama3")
    import_checkpoint(read_gguf(file), tmp_path / "base", silent)
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path / "base")
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == (
        "<|begin|>",
        "<|im_end|>",
        "<|endoftext|>",
    )
    assert tokenizer.chat_template == "{{ messages }}"
    ids = tokenizer("it's 12345 <tool_call>").input_ids
    assert ids[0] == 1
    assert ids[1:] == load_tokenize(tmp_path / "original")("it's 12345 <tool_call>", False)
    assert tokenizer.decode(ids[1:]) == "it's 12345 <tool_call>"


def test_other_names_and_defaults_of_files_in_the_wild(tmp_path: Path) -> None:
    """Files made by llama.cpp leave out what it takes by default, and name pre-tokenizers in other ways."""

    def change(values: dict[str, Any], tensors: dict[str, Any]) -> None:
        for key in ("attention.key_length", "attention.value_length", "vocab_size"):
            del values[f"llama.{key}"]
        values["tokenizer.ggml.pre"] = "refact"
        del values["tokenizer.ggml.add_eos_token"], values["tokenizer.chat_template"]

    file = rewrite(make_file(tmp_path, "smollm2"), tmp_path / "wild.gguf", change)
    folder = import_base(str(file), tmp_path / "base", silent)
    assert json.loads((folder / IMPORT_RECORD).read_text())["logits"]["positions"] > 0
    assert not (folder / "chat_template.jinja").exists()


def test_a_full_disk_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make_file(tmp_path, "qwen2", "f16")
    monkeypatch.setattr("export.base_import.shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(UmiError, match=r"MB of disk while it is imported, and .* has 0 MB free"):
        import_base(str(file), tmp_path / "out" / "base", silent)
    assert not list((tmp_path / "out").iterdir())


def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path) -> None:
    file, out = make_file(tmp_path, "qwen2", "q8_0"), tmp_path / "out" / "base"
    whole = read_gguf(file)
    for limit in (checkpoint_bytes(whole, float32=True) // 2, checkpoint_bytes(whole, float32=True) + 20_000):
        with full_disk(limit), pytest.raises(UmiError, match="cannot be written: File too large; free space"):
            import_base(str(file), out, silent)
        assert not list(out.parent.iterdir())


def test_a_wrong_import_is_found_out_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make_file(tmp_path, "smollm2", "q8_0")
    with monkeypatch.context() as wrong:
        wrong.setattr("export.gguf.tensors.deinterleave", lambda rows, head: rows)
        with pytest.raises(UmiError, match=r"blk\.0\.attn_[qk]\.weight differs in its checkpoint"):
            import_base(str(file), tmp_path / "out" / "base", silent)
    plain = convert_to_any(tmp_path / "original", tmp_path / "plain.gguf", "f32", silent)
    read = checkpoints.read_hyperparameters

    def other_theta(*args: Any) -> dict[str, Any]:
        config = read(*args)
        return {**config, "rope_parameters": {**config["rope_parameters"], "rope_theta": 20000.0}}

    with monkeypatch.context() as wrong:
        wrong.setattr(checkpoints, "read_hyperparameters", other_theta)
        with pytest.raises(UmiError, match=r"differ in llama\.rope\.freq_base"):
            import_base(str(file), tmp_path / "out" / "base", silent)
        with pytest.raises(UmiError, match="differs from its model: logits"):
            import_base(str(plain), tmp_path / "out" / "base", silent)
    assert not list((tmp_path / "out").iterdir())


def test_logits_are_not_compared_where_memory_does_not_suffice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imported, "available_bytes", lambda: 1 << 20)
    lines: list[str] = []
    folder = import_base(str(make_file(tmp_path, "qwen2", "f16")), tmp_path / "base", lines.append)
    assert json.loads((folder / IMPORT_RECORD).read_text())["logits"] is None
    assert any("logits were not compared: that takes" in line for line in lines)


def test_memory_stays_at_a_block(tmp_path: Path) -> None:
    original = tmp_path / "original"
    original.mkdir()
    size = write_tokenizer(original, "smollm")
    wide = {**SHAPE, "num_hidden_layers": 1, "intermediate_size": 1 << 17, "vocab_size": size}
    make_weights(original, "Llama", wide, "bfloat16")
    file = read_gguf(convert(original, tmp_path / "wide.gguf", "q8_0"))
    largest = 4 * max(int(np.prod(tensor.shape)) for tensor in file.tensors.values())
    tracemalloc.start()
    try:
        import_checkpoint(file, tmp_path / "base", silent)
        assert tracemalloc.get_traced_memory()[1] < largest == 33554432
    finally:
        tracemalloc.stop()


def test_a_source_is_a_path_or_the_name_of_a_base_that_was_pulled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = {"tokenizer_comparisons": 1, "logits": None}
    monkeypatch.setattr("export.base_import.prove_import", lambda *_: figures)
    made = make_file(tmp_path, "qwen2")
    assert find_gguf(str(made)) == made
    with pytest.raises(InputError, match="get it with: umi models pull tiny-base"):
        find_gguf("tiny-base")
    for missing in (str(tmp_path / "none.gguf"), "none.gguf", str(tmp_path)):
        with pytest.raises(InputError, match="is not a file"):
            find_gguf(missing)
    base = InstalledBase("tiny-base", made.name, made.stat().st_size, sha256_of(made), "MIT", "the index")
    base.path.parent.mkdir(parents=True)
    base.path.write_bytes(made.read_bytes())
    write_record(base.path.parent, base)
    assert find_gguf("tiny-base") == base.path
    assert import_base("tiny-base", None, silent) == base.path.parent / "checkpoint"
    assert import_base(str(made), None, silent) == bases_folder() / "qwen2" / "checkpoint"


def test_the_command_replaces_its_own_import_and_nothing_else(tmp_path: Path) -> None:
    file, out = make_file(tmp_path, "qwen2"), tmp_path / "base"
    for _ in range(2):
        result = CliRunner().invoke(umi, ["train", "base", "import", str(file), "--out", str(out)])
        assert (result.exit_code, result.stdout.strip()) == (0, str(out))
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="already exists"):
        import_base(str(file), other, silent)
    assert (other / "thesis.txt").read_text() == "mine"


def test_rows_are_put_back_in_order() -> None:
    rows = np.arange(24, dtype=np.float32).reshape(12, 2)
    np.testing.assert_array_equal(deinterleave(interleave(rows, 6), 6), rows)


def test_no_two_pretokenizers_share_a_name() -> None:
    names = [name for known, one in SPLITTINGS.items() for name in (known, *one.aliases)]
    assert len(names) == len(set(names))
