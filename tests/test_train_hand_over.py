"""How roles start from stage 1: stacked on it, or on a base that it was merged into; and one role alone."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import run_export as export
from fakes import run_train as main
from safetensors.torch import load_file, save_file
from tiny_base import TINY_RUN, make_run, tiny_rows

import train.loop.trainer
from agent.bundle import load_bundle
from agent.errors import InputError
from agent.prompting.encoding import encode, load_tokenize
from agent.transcript import ROLES, PlannerTurn, SummarizerTurn, Transcript, UserTurn
from export.merge.checkpoint import write_merged_checkpoint
from export.merge.selection import load_model, mean_loss
from train.data.rows import write_rows
from train.loop.pipeline import train as train_run
from train.model.lora import AdapterState, LoraModel, load_adapter
from train.model.packing import join
from train.model.weights.adapter import read_adapter
from train.model.weights.merge import merge_into_base
from train.recipe import STAGES, Recipe
from train.run.finished import load_run


@pytest.fixture(scope="module")
def stacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("stacked"), hand_over="stack", double_quant=True)


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("merged"), hand_over="merge16")


def recipe_of(run: Path, **fields: Any) -> Recipe:
    saved = json.loads((run / "recipe.json").read_text())["recipe"]
    return Recipe.from_json({**saved, "out": str(run), "device": "cpu", "checkpoint_steps": 2, **fields})


def loss_of(model: LoraModel, run: Path, role: str) -> float:
    tokenize = load_tokenize(load_run(run).base)
    encoded = [encode(row.transcript, (role,), tokenize) for row in load_run(run).held_out()]
    return model.mean_loss([[join([row])] for row in encoded if row.targets])


def test_a_stacked_role_starts_as_the_backbone_and_leaves_it_alone(stacked: Path) -> None:
    stages = json.loads((stacked / "manifest.json").read_text())["stages"]
    for role in ROLES:
        before = stages[role]["heldout_loss_before"][role]
        assert before == pytest.approx(stages["backbone"]["heldout_loss"][role], rel=1e-5)
        assert stages[role]["heldout_loss"][role] < before
    config = json.loads((stacked / "caller" / "adapter_config.json").read_text())
    assert config["alora_invocation_tokens"] is None


def test_a_stacked_role_merges_to_what_was_trained(stacked: Path, tmp_path: Path) -> None:
    run = load_run(stacked)
    model = LoraModel(recipe_of(stacked, precision="float32"))
    for role in ROLES:
        model.stack(load_adapter(stacked / "backbone"), None, 0)
        model.set_adapter(load_adapter(stacked / role))
        expected = loss_of(model, stacked, role)
        made = load_model(write_merged_checkpoint(run, role, "dequant", tmp_path / role))
        assert mean_loss(made, run.held_out(), (role,), run) == pytest.approx(expected, abs=1e-5)


def load_updates(folder: Path) -> dict[str, torch.Tensor]:
    """What an adapter adds to each weight."""
    adapter = read_adapter(folder)
    return {name: torch.from_numpy(adapter.scale * (b @ a)) for name, (a, b) in adapter.pairs.items()}


def test_stage_1_is_added_to_the_original_weights(merged: Path) -> None:
    recipe = recipe_of(merged)
    base, new = (
        load_file(folder / "model.safetensors") for folder in (Path(recipe.base), merged / "merged_base")
    )
    added = load_updates(merged / "backbone")
    assert set(base) == set(new)
    for name, weight in base.items():
        expected = weight + added[name] if name in added else weight
        torch.testing.assert_close(new[name], expected, rtol=0, atol=1e-6)
    assert all(update.abs().max() > 1e-3 for update in added.values())
    assert load_run(merged).base == merged / "merged_base"


def test_roles_of_a_merged_base_start_there_from_zero(merged: Path) -> None:
    stages = json.loads((merged / "manifest.json").read_text())["stages"]
    model = LoraModel(recipe_of(merged, base=str(merged / "merged_base")))
    for role in ROLES:
        before = stages[role]["heldout_loss_before"][role]
        assert before == pytest.approx(loss_of(model, merged, role), rel=1e-4)
        # The merged weights are quantized once more, so the start is near what stage 1 reached, not at it.
        reached = stages["backbone"]["heldout_loss"][role]
        assert before < (reached + stages["backbone"]["heldout_loss_before"][role]) / 2
        assert stages[role]["heldout_loss"][role] < before
    starts = []
    for seed in (1, 2, 1):
        model.restart(seed)
        starts.append(model.adapter())
        assert not any(tensor.any() for name, tensor in starts[-1].items() if ".lora_B." in name)
    assert_same(starts[0], starts[2])
    assert any(not torch.equal(starts[0][name], starts[1][name]) for name in starts[0])


def assert_same(one: AdapterState, other: AdapterState) -> None:
    for name, tensor in one.items():
        torch.testing.assert_close(other[name], tensor, rtol=0, atol=1e-6)


@pytest.mark.parametrize("hand_over", ["stacked", "merged"])
def test_the_bundle_agrees_with_the_trained_roles(
    hand_over: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    run = request.getfixturevalue(hand_over)
    assert export(["bundle", str(run), "--out", str(tmp_path / "mine"), "--quant", "f32"]) == 0
    bundle = load_bundle(tmp_path / "mine", verify=True)
    assert bundle.layout == "merged"
    for role in ROLES:
        made = bundle.metrics["export"][role]["f32"]
        assert made["agreed"] + made["near_ties"] == made["positions"] > 0
        assert made["agreed"] > 0


def test_merging_keeps_the_dtype_and_the_files_of_the_base(merged: Path, tmp_path: Path) -> None:
    source, base = Path(recipe_of(merged).base), tmp_path / "base"
    base.mkdir()
    tensors = {
        name: tensor.to(torch.bfloat16) for name, tensor in load_file(source / "model.safetensors").items()
    }
    index = "model.safetensors.index.json"
    files = {name: f"model-0000{at % 2}.safetensors" for at, name in enumerate(sorted(tensors))}
    for file in set(files.values()):
        save_file(
            {name: tensors[name] for name in files if files[name] == file}, base / file, {"format": "pt"}
        )
    (base / index).write_text(json.dumps({"weight_map": files}))
    backbone = read_adapter(merged / "backbone")
    merge_into_base(base, backbone, tmp_path / "new")
    new_files = sorted((tmp_path / "new").glob("*.safetensors"))
    assert json.loads((tmp_path / "new" / index).read_text())["weight_map"] == files
    new = {name: tensor for file in new_files for name, tensor in load_file(file).items()}
    assert {tensor.dtype for tensor in new.values()} == {torch.bfloat16}
    added = load_updates(merged / "backbone")
    for name, update in added.items():
        torch.testing.assert_close(new[name], (tensors[name].float() + update).to(torch.bfloat16))
    save_file({"else": torch.zeros(1)}, base / "model-00000.safetensors")
    left = {name: file for name, file in files.items() if file != "model-00000.safetensors"}
    (base / index).write_text(json.dumps({"weight_map": {**left, "else": "model-00000.safetensors"}}))
    with pytest.raises(InputError, match=r"has no layer model\.layers"):
        merge_into_base(base, backbone, tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "new"]


@pytest.fixture
def copy(merged: Path, tmp_path: Path) -> Path:
    """A finished run to train a role of again, and `mine.jsonl` beside it."""
    rows = [
        replace(
            row,
            id=f"mine-{n}",
            transcript=Transcript(
                turns=(UserTurn(f"ho {n}"), PlannerTurn("", "summarizer"), SummarizerTurn(f"Hey {n}."))
            ),
        )
        for n, row in enumerate(tiny_rows(8))
    ]
    held_out = load_run(merged).held_out()
    write_rows(tmp_path / "mine.jsonl", [*rows, *(replace(row, split="train") for row in held_out)])
    return Path(shutil.copytree(merged, tmp_path / "run"))


def test_one_role_is_trained_again_on_other_data(copy: Path, tmp_path: Path) -> None:
    output: list[str] = []
    mine = str(tmp_path / "mine.jsonl")
    recipe = recipe_of(copy, data=[mine], summarizer={"learning_rate": 5e-3, "max_steps": 5})
    with pytest.raises(InputError, match="differs in data, summarizer"):
        train_run(recipe, output.append)
    with pytest.raises(InputError, match=r"differs in data, .*; set out to a new .* --only ROLE"):
        train_run(recipe_of(copy, data=[mine]), output.append)
    with pytest.raises(InputError, match=r"trained on other data .*; add --again"):
        train_run(recipe, output.append, "summarizer")
    with pytest.raises(InputError, match="differs in seed"):
        train_run(replace(recipe, seed=9), output.append, "summarizer", again=True)
    before = {stage: load_adapter(copy / stage) for stage in STAGES}
    kept = (copy / "heldout.jsonl").read_text()
    train_run(recipe, output.append, "summarizer", again=True)
    # The rows that the run holds out are not learnt, though the new data has them.
    assert any(line.startswith("summarizer: 8 rows") for line in output)
    assert (copy / "heldout.jsonl").read_text() == kept
    manifest = json.loads((copy / "manifest.json").read_text())
    assert list(manifest["stages"]["summarizer"]["data"]) == [mine]
    assert manifest["stages"]["summarizer"]["steps"] == 5
    assert manifest["recipe"] == json.loads((copy / "recipe.json").read_text())["recipe"]
    assert mine not in manifest["recipe"]["data"]
    for stage in ("backbone", "planner", "caller"):
        assert_same(before[stage], load_adapter(copy / stage))
    after = load_adapter(copy / "summarizer")
    assert any((after[name] - tensor).abs().max() > 1e-4 for name, tensor in before["summarizer"].items())
    assert not list(copy.glob("*.part"))
    train_run(recipe, output.append, "summarizer")
    assert output[-2] == "summarizer: finished before"
    train_run(recipe_of(copy), output.append)
    assert output[-2] == "summarizer: finished before"


def test_a_role_is_replaced_only_when_its_retraining_is_finished(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(copy)
    real, calls = train.loop.trainer.take_step, 0

    def dying(*given: Any) -> tuple[float, float]:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return real(*given)

    before = load_adapter(copy / "caller")
    monkeypatch.setattr(train.loop.trainer, "take_step", dying)
    with pytest.raises(KeyboardInterrupt):
        train_run(recipe, lambda _: None, "caller", again=True)
    assert_same(before, load_adapter(copy / "caller"))
    monkeypatch.setattr(train.loop.trainer, "take_step", real)
    output: list[str] = []
    # Of other data, the checkpoint is not gone on from; of the same, it is, to the same weights as before.
    other = Path(shutil.copytree(copy, tmp_path / "other"))
    write_rows(tmp_path / "more.jsonl", tiny_rows(30))
    train_run(recipe_of(other, data=[str(tmp_path / "more.jsonl")]), output.append, "caller", again=True)
    assert not any("going on" in line for line in output)
    train_run(recipe, output.append, "caller", again=True)
    assert any(line.startswith("caller: resuming at step 2/3") for line in output)
    assert_same(before, load_adapter(copy / "caller"))


def test_the_commands_take_only_one_stage(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = recipe_of(copy)
    file = tmp_path / "r.toml"
    tables = {key: value for key, value in TINY_RUN.items() if isinstance(value, dict)}
    plain = {key: value for key, value in TINY_RUN.items() if key not in tables}
    plain |= {"base": recipe.base, "data": list(recipe.data), "out": str(copy), "hand_over": "merge16"}
    lines = [f"{key} = {json.dumps(value)}" for key, value in plain.items()]
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    file.write_text("\n".join(lines))
    mine = f"data={tmp_path / 'mine.jsonl'}"
    assert main(["run", str(file), "--only", "planner", "--again"]) == 0
    assert main(["glpft", str(file), "--only", "summarizer", "--again", mine]) == 0
    assert f"finished: {copy}" in capsys.readouterr().err
    for argv, message in (
        (["--only", "juggler"], "invalid choice"),
        (["--again"], "--again is for one role"),
        (["--only", "backbone", "--again"], "--again is for one role"),
        (
            ["--only", "caller", "method=multi-task", "hand_over=continue"],
            "trains no caller; it trains backbone",
        ),
        (["--only", "backbone", mine], "differs in data"),
    ):
        assert main(["run", str(file), *argv]) == 2
        assert message in capsys.readouterr().err


def test_rows_of_a_test_set_are_refused(merged: Path, tmp_path: Path) -> None:
    data = tmp_path / "d.jsonl"
    write_rows(data, [*tiny_rows(3), *tiny_rows(1, "valid"), *tiny_rows(1, "test")])
    data.write_text("\n\n" + data.read_text())
    with pytest.raises(InputError, match=r"d\.jsonl, line 7: training data holds rows of a test set; leave"):
        train_run(recipe_of(merged, data=[str(data)], out=str(tmp_path / "run")), lambda _: None)
    assert not (tmp_path / "run").exists()
