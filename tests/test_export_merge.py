"""Merging: equal to what peft computes on the weights that were trained on, in bounded memory, or refused."""

from __future__ import annotations

import json
import math
import shutil
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from full_disk import full_disk
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_base import make_run

import export.merge.selection
from agent.errors import InputError, UmiError
from agent.prompting.encoding import encode, load_tokenize
from export.merge.checkpoint import stage_updates, write_merged_checkpoint
from export.merge.selection import load_model, mean_loss, merge_stage
from train.model.lora import LoraModel, load_adapter
from train.model.packing import join
from train.model.weights.adapter import read_adapter
from train.recipe import Recipe
from train.run.finished import load_run


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("merge"))


@pytest.fixture
def copy(run_folder: Path, tmp_path: Path) -> Path:
    """The run with a base of its own."""
    shutil.copytree(run_folder.parent / "base", tmp_path / "base")
    shutil.copytree(run_folder, tmp_path / "run")
    manifest = tmp_path / "run" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(str(run_folder.parent), str(tmp_path)))
    return tmp_path / "run"


def whole_round_trip(weight: torch.Tensor, *, double_quant: bool) -> torch.Tensor:
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    return dequantize_4bit(*quantize_4bit(weight, quant_type="nf4", compress_statistics=double_quant))


def test_the_merged_model_has_the_loss_of_the_trained_one(run_folder: Path, tmp_path: Path) -> None:
    run = load_run(run_folder)
    unused = {"out": "unused", "device": "cpu", "precision": "float32"}
    recipe = Recipe.from_json({**run.recipe, **unused})
    trained = LoraModel(recipe)
    tokenize = load_tokenize(run.base)
    rows = run.held_out()
    for role in ("planner", "caller"):
        trained.set_adapter(load_adapter(run_folder / role))
        encoded = [encode(row.transcript, (role,), tokenize) for row in rows]
        expected = trained.mean_loss([[join([row])] for row in encoded if row.targets])
        losses = {}
        for merge_base in ("dequant", "original"):
            model = load_model(write_merged_checkpoint(run, role, merge_base, tmp_path / "merged"))
            losses[merge_base] = mean_loss(model, rows, (role,), run)
        assert losses["dequant"] == pytest.approx(expected, abs=1e-5)
        assert losses["original"] != pytest.approx(expected, abs=1e-5)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft 0.21 reads a renamed attribute
def test_the_merged_logits_are_pefts_own(run_folder: Path, tmp_path: Path) -> None:
    from peft import PeftModel

    run = load_run(run_folder)
    base = load_model(run.base)
    with torch.no_grad():
        for module in base.model.modules():
            if isinstance(module, torch.nn.Linear):
                module.weight.copy_(whole_round_trip(module.weight, double_quant=False))
    adapted = PeftModel.from_pretrained(base, run_folder / "summarizer").eval()
    ids = torch.arange(3, 60)[None]
    with torch.no_grad():
        theirs = adapted(input_ids=ids).logits
        ours = load_model(write_merged_checkpoint(run, "summarizer", "dequant", tmp_path / "merged"))(
            input_ids=ids
        ).logits
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def shard(base: Path, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Store a base anew, in `dtype` and two files; returns its tensors."""
    tensors = {name: tensor.to(dtype) for name, tensor in load_file(base / "model.safetensors").items()}
    (base / "model.safetensors").unlink()
    places = {name: f"model-0000{1 + n % 2}-of-00002.safetensors" for n, name in enumerate(tensors)}
    for file in set(places.values()):
        held = {name: tensors[name].contiguous() for name, place in places.items() if place == file}
        save_file(held, base / file, {"format": "pt"})
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (base / "model.safetensors.index.json").write_text(json.dumps(index))
    return tensors


def test_files_in_half_precision_become_the_same_files_in_float32(copy: Path, tmp_path: Path) -> None:
    run = load_run(copy)
    tensors = shard(run.base, torch.bfloat16)
    adapter = read_adapter(copy / "caller")
    merged = write_merged_checkpoint(run, "caller", "original", tmp_path / "merged")
    assert {file.name for file in merged.glob("*")} >= {file.name for file in run.base.glob("model*")}
    index = "model.safetensors.index.json"
    places, theirs = (json.loads((place / index).read_text()) for place in (merged, run.base))
    assert places["weight_map"] == theirs["weight_map"]
    assert places["metadata"]["total_size"] == 4 * sum(tensor.numel() for tensor in tensors.values())
    for name, file in places["weight_map"].items():
        with safe_open(merged / file, "pt") as opened:
            made = opened.get_tensor(name)
        expected = tensors[name].float()
        if name in adapter.pairs:
            a, b = map(torch.from_numpy, adapter.pairs[name])
            expected = expected + adapter.scale * (b @ a)
        assert made.dtype == torch.float32
        torch.testing.assert_close(made, expected, rtol=1e-6, atol=1e-7)
    model = load_model(merged)
    assert torch.equal(model.model.norm.weight, tensors["model.norm.weight"].float())
    assert json.loads((merged / "config.json").read_text())["dtype"] == "float32"


def test_what_a_gpu_held_is_rounded_to_the_checkpoints_type(copy: Path, tmp_path: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    assert manifest["stages"]["caller"]["device"] == "cpu"
    tensors = shard(load_run(copy).base, torch.bfloat16)
    (copy / "caller" / "adapter_model.safetensors").rename(copy / "caller" / "kept")
    zero = {name: tensor * 0 for name, tensor in load_file(copy / "caller" / "kept").items()}
    save_file(zero, copy / "caller" / "adapter_model.safetensors")
    for device in ("cpu", "cuda"):
        manifest["stages"]["caller"]["device"] = device
        (copy / "manifest.json").write_text(json.dumps(manifest))
        merged = load_model(
            write_merged_checkpoint(load_run(copy), "caller", "dequant", tmp_path / "merged")
        ).state_dict()
        for name, tensor in tensors.items():
            if not name.endswith("_proj.weight"):
                continue
            held = whole_round_trip(tensor.float(), double_quant=False)
            rounded = held.bfloat16().float()
            assert not torch.equal(held, rounded)
            assert torch.equal(merged[name], held if device == "cpu" else rounded)


def test_auto_keeps_the_lower_loss(run_folder: Path, tmp_path: Path) -> None:
    run = load_run(run_folder)
    lines: list[str] = []
    merged = merge_stage(run, "caller", "auto", tmp_path, lines.append)
    assert merged.losses[merged.merge_base] == min(merged.losses.values())
    assert set(merged.losses) == {"dequant", "original"}
    loss = mean_loss(load_model(merged.folder), run.held_out(), ("caller",), run)
    assert loss == pytest.approx(min(merged.losses.values()))
    assert list(tmp_path.iterdir()) == [merged.folder]
    size = sum(file.stat().st_size for file in merged.folder.glob("*.safetensors")) / 1e6
    assert lines[0] == f"caller: adding its adapter to dequant weights, {size:.1f} MB in float32"
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("losses", "kept"), [((2.0, 1.0), "original"), ((1.0, 2.0), "dequant"), ((math.nan, 3.0), "original")]
)
def test_auto_has_one_model_in_memory_and_takes_numbers_only(
    run_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    losses: tuple[float, float],
    kept: str,
) -> None:
    models: list[weakref.ref[Any]] = []

    def load(folder: Path) -> Any:
        assert all(model() is None for model in models)
        model = load_model(folder)
        models.append(weakref.ref(model))
        return model

    given = iter(losses)
    monkeypatch.setattr(export.merge.selection, "load_model", load)
    monkeypatch.setattr(export.merge.selection, "mean_loss", lambda *_: next(given))
    merged = merge_stage(load_run(run_folder), "caller", "auto", tmp_path, lambda _: None)
    assert len(models) == 2
    assert merged.merge_base == kept
    assert merged.losses == {
        name: loss for name, loss in zip(("dequant", "original"), losses, strict=True) if loss == loss
    }
    assert list(tmp_path.iterdir()) == [merged.folder]


def test_without_held_out_rows_the_trained_weights_are_taken(copy: Path, tmp_path: Path) -> None:
    (copy / "heldout.jsonl").write_text("")
    run = load_run(copy)
    merged = merge_stage(run, "caller", "auto", tmp_path / "made", lambda _: None)
    assert (merged.merge_base, merged.losses) == ("dequant", {})
    assert math.isnan(mean_loss(load_model(merged.folder), [], ("caller",), run))


def test_adapters_that_cannot_be_merged_are_refused(copy: Path) -> None:
    file = copy / "caller" / "adapter_config.json"
    config = json.loads(file.read_text())
    for key in ("use_dora", "alora_invocation_tokens"):
        file.write_text(json.dumps({**config, key: [1]}))
        with pytest.raises(InputError, match=f"uses {key}"):
            stage_updates(load_run(copy), "caller")


def change(file: Path, name: str, value: torch.Tensor | None) -> None:
    """Put `value` in the place of a tensor of a safetensors file, or take the tensor away."""
    tensors = load_file(file)
    del tensors[name]
    save_file(tensors | ({} if value is None else {name: value}), file, {"format": "pt"})


def test_an_adapter_of_another_base_is_refused(copy: Path, tmp_path: Path) -> None:
    run, name = load_run(copy), "model.layers.1.mlp.up_proj.weight"
    weights = run.base / "model.safetensors"
    change(weights, name, torch.zeros(96, 64))
    with pytest.raises(InputError, match=r"caller changes a .*up_proj.weight of 128 x 64, .* has 96 x 64"):
        write_merged_checkpoint(run, "caller", "original", tmp_path / "merged")
    change(weights, name, None)
    with pytest.raises(InputError, match=r"has no layer model.layers.1.mlp.up_proj.weight; use the base"):
        write_merged_checkpoint(run, "caller", "original", tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize("merge_base", ["dequant", "original"])
@pytest.mark.parametrize("name", ["model.layers.0.mlp.up_proj.weight", "model.norm.weight"])
def test_a_non_finite_weight_of_the_base_is_named(
    copy: Path, tmp_path: Path, name: str, merge_base: Any
) -> None:
    run = load_run(copy)
    tensor = load_file(run.base / "model.safetensors")[name]
    tensor.view(-1)[-1] = math.inf
    change(run.base / "model.safetensors", name, tensor)
    with pytest.raises(InputError, match=f"model.safetensors: {name} holds NaN or infinity"):
        write_merged_checkpoint(run, "caller", merge_base, tmp_path / "made" / "merged")
    assert list((tmp_path / "made").iterdir()) == []


def test_a_non_finite_weight_of_an_adapter_is_named(copy: Path) -> None:
    file = copy / "caller" / "adapter_model.safetensors"
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"
    change(file, name, load_file(file)[name] * math.nan)
    with pytest.raises(InputError, match=r"caller: model.layers.0.self_attn.q_proj.weight is not a number"):
        stage_updates(load_run(copy), "caller")


def test_a_full_disk_leaves_the_old_folder(run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "merged"
    out.mkdir()
    (out / "old").touch()
    message = r"merged cannot be written: .*; free space or write elsewhere"
    with full_disk(100_000), pytest.raises(UmiError, match=message):
        write_merged_checkpoint(load_run(run_folder), "caller", "original", out)
    assert [path.name for path in tmp_path.rglob("*")] == ["merged", "old"]


def test_too_little_space_is_reported_before_anything_is_written(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000))
    with pytest.raises(UmiError, match=r"merged takes \d+ MB, and .* has 0 MB free; free space"):
        write_merged_checkpoint(load_run(run_folder), "caller", "original", tmp_path / "merged")
    assert list(tmp_path.iterdir()) == []


def test_an_unfinished_folder_is_written_anew(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "merged.part").mkdir()
    (tmp_path / "merged.part" / "model-00009.safetensors").write_bytes(b"half")
    merged = write_merged_checkpoint(load_run(run_folder), "caller", "original", tmp_path / "merged")
    assert not (merged / "model-00009.safetensors").exists()
    assert list(tmp_path.iterdir()) == [merged]


def test_a_run_that_is_not_finished_is_refused(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run folder"):
        load_run(tmp_path)
    manifest = (copy / "manifest.json").read_text()
    (copy / "manifest.json").unlink()
    with pytest.raises(InputError, match="not finished; go on with"):
        load_run(copy)
    for text, message in (
        ("{", "damaged"),
        (manifest.replace('"prompt_version": 1', '"prompt_version": 0'), "version 0"),
    ):
        (copy / "manifest.json").write_text(text)
        with pytest.raises(InputError, match=message):
            load_run(copy)
