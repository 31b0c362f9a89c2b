"""Both stages on a very small base in NF4: they learn, go on after a kill, and refuse what does not fit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import run_train as main
from tiny_base import TINY_RUN, make_base, tiny_rows

import train.loop.trainer
from agent.errors import InputError, UmiError
from agent.prompting.encoding import load_tokenize
from train.data.rows import write_rows
from train.data.views import view
from train.loop.pipeline import train as train_run
from train.loop.trainer import learning_rate_at
from train.model.lora import LoraModel, load_adapter
from train.model.packing import pack
from train.recipe import STAGES, Recipe

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base and data."""
    folder = tmp_path_factory.mktemp("stages")
    make_base(folder / "base")
    write_rows(folder / "data.jsonl", [*tiny_rows(24), *tiny_rows(6, "valid")])
    return folder


def recipe_in(place: Path, out: Path, **fields: Any) -> Recipe:
    paths = {"base": str(place / "base"), "data": [str(place / "data.jsonl")], "out": str(out)}
    return Recipe.from_json({**TINY_RUN, **paths, **fields})


@pytest.fixture(scope="module")
def finished(place: Path) -> Path:
    return train_run(recipe_in(place, place / "run"), lambda _: None)


def test_stage_1_and_2_lower_the_held_out_loss(finished: Path) -> None:
    stages = json.loads((finished / "manifest.json").read_text())["stages"]
    assert set(stages) == set(STAGES)
    for role in ("planner", "caller", "summarizer"):
        first, second = stages["backbone"], stages[role]
        assert first["heldout_loss"][role] < 0.9 * first["heldout_loss_before"][role]
        assert second["heldout_loss_before"][role] == pytest.approx(first["heldout_loss"][role], rel=1e-5)
        assert second["heldout_loss"][role] < second["heldout_loss_before"][role]


def test_the_base_is_in_four_bits_and_the_adapter_in_float32(place: Path) -> None:
    model = LoraModel(recipe_in(place, place / "unused"))
    kinds = {type(module).__name__ for module in model._peft.modules()}
    assert "Linear4bit" in kinds
    assert {p.dtype for p in model.parameters} == {torch.float32}


def test_measuring_changes_no_gradient(place: Path) -> None:
    recipe = recipe_in(place, place / "unused", lora={"rank": 2})
    tokenize = load_tokenize(place / "base")
    batch = list(pack(view(tiny_rows(), "backbone", tokenize, 512).rows, 512))
    gradients = []
    for measured in (False, True):
        model = LoraModel(recipe)
        if measured:
            model.mean_loss([batch])
        model.loss_sum(batch).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters if p.grad is not None]))
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=0)


def test_roles_start_from_the_backbone_and_part_from_it(finished: Path) -> None:
    adapters = {stage: load_adapter(finished / stage) for stage in STAGES}
    for role in STAGES[1:]:
        moved = [
            (adapters[role][name] - tensor).abs().max().item()
            for name, tensor in adapters["backbone"].items()
        ]
        assert max(moved) > 0
        assert max(moved) < 0.1


@pytest.mark.parametrize("dies_at", ["backbone", "caller"])
def test_a_killed_run_resumes_to_the_same_weights(
    place: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:
    recipe = recipe_in(place, tmp_path / "run")
    real, calls = train.loop.trainer.take_step, 0

    def dying(*given: Any) -> tuple[float, float]:
        nonlocal calls
        calls += 1
        if calls == (4 if dies_at == "backbone" else 30 + 3 + 3):
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(train.loop.trainer, "take_step", dying)
    with pytest.raises(KeyboardInterrupt):
        train_run(recipe, lambda _: None)
    assert not (tmp_path / "run" / dies_at).exists()
    assert not (tmp_path / "run" / "manifest.json").exists()
    monkeypatch.setattr(train.loop.trainer, "take_step", real)
    output: list[str] = []
    train_run(recipe, output.append)
    assert any(line.startswith(f"{dies_at}: resuming at step 2/") for line in output)
    for stage in STAGES:
        once, twice = load_adapter(finished / stage), load_adapter(tmp_path / "run" / stage)
        for name, tensor in once.items():
            torch.testing.assert_close(twice[name], tensor, rtol=0, atol=1e-6)


def test_a_finished_run_trains_nothing_again(
    place: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train.loop.trainer, "take_step", lambda *_: pytest.fail("a step was taken"))
    output: list[str] = []
    train_run(recipe_in(place, finished), output.append)
    assert sum(line.endswith("finished before") for line in output) == len(STAGES)


def test_a_run_folder_of_another_recipe_is_refused(place: Path, finished: Path) -> None:
    with pytest.raises(InputError, match="differs in seed"):
        train_run(recipe_in(place, finished, seed=4), lambda _: None)


def test_a_folder_of_something_else_is_refused(place: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="not empty and is not a run folder"):
        train_run(recipe_in(place, tmp_path), lambda _: None)


def test_a_role_needs_its_backbone(place: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no backbone"):
        train_run(recipe_in(place, tmp_path / "run"), lambda _: None, "caller")


def test_stage_1_goes_on_from_that_of_another_run(place: Path, finished: Path, tmp_path: Path) -> None:
    recipe = recipe_in(place, tmp_path / "run", start=str(finished))
    train_run(recipe, lambda _: None, "backbone")
    before = json.loads((finished / "backbone" / "stage.json").read_text())["heldout_loss"]
    stage = json.loads((tmp_path / "run" / "backbone" / "stage.json").read_text())
    assert stage["heldout_loss_before"] == pytest.approx(before, rel=1e-4)
    assert stage["heldout_loss"] != stage["heldout_loss_before"]
    with pytest.raises(InputError, match="differs in start"):
        train_run(replace(recipe, start=""), lambda _: None, "backbone")
    with pytest.raises(InputError, match=r"holds no finished stage 1"):
        train_run(replace(recipe, start="nowhere", out=str(tmp_path / "other")), lambda _: None)
    with pytest.raises(InputError, match=r"another \[lora\]"):
        train_run(replace(recipe, lora=replace(recipe.lora, alpha=9)), lambda _: None)


def test_a_loss_that_is_not_a_number_stops_the_run(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train.loop.trainer, "take_step", lambda *_: (float("nan"), float("nan")))
    with pytest.raises(
        UmiError, match=r"NaN or infinite gradients in 3 steps in a row, .*; lower backbone\.learning_rate"
    ):
        train_run(recipe_in(place, tmp_path / "run"), lambda _: None)


def test_gradient_checkpointing_changes_no_weight(place: Path, tmp_path: Path) -> None:
    runs = []
    for name, on in (("a", False), ("b", True)):
        short = {"backbone": {"max_steps": 2}, "gradient_checkpointing": on}
        runs.append(train_run(recipe_in(place, tmp_path / name, **short), lambda _: None, "backbone"))
    once, twice = (load_adapter(run / "backbone") for run in runs)
    for name, tensor in once.items():
        torch.testing.assert_close(twice[name], tensor, rtol=1e-3, atol=1e-5)


def test_the_rate_rises_and_falls() -> None:
    recipe = Recipe.from_json({"base": "b", "data": "d", "out": "o", "warmup": 0.1})
    rates = [learning_rate_at(step, 100, recipe, 1.0) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base": "nowhere"}, "nowhere has no tokenizer.json"),
        ({"markers": {"close": "<|eot|>"}}, "is not a token of"),
        ({"lora": {"targets": ["q_proj", "no_proj"]}}, "no linear layer no_proj, .*layers are down_proj"),
        ({"max_length": 3}, "no training row of backbone fits"),
        ({"data": ["nowhere.jsonl"]}, "nowhere.jsonl does not exist"),
    ],
)
def test_bad_input_is_one_line(place: Path, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train_run(recipe_in(place, tmp_path / "run", **change), lambda _: None)


def test_the_command_trains_and_reports_errors_in_one_line(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(f'base = "{place}/base"\ndata = ["{place}/data.jsonl"]\nout = "{tmp_path}/run"\n')
    short = ["backbone.max_steps=1", "heldout_rows=1", "lora.rank=2", "device=cpu"]
    assert main(["run", str(recipe), *short, "--only", "backbone"]) == 0
    assert capsys.readouterr().out.strip() == f"{tmp_path}/run"
    for argv in (
        ["walk"],
        ["run"],
        ["run", "none.toml"],
        ["run", str(recipe), "x=1"],
        ["run", str(recipe), "--y"],
    ):
        assert main(argv) == 2
        err = capsys.readouterr().err
        assert err.startswith("umi: ")
        assert err.count("\n") == 1


@pytest.mark.slow
def test_accelerate_launches_the_command_in_two_processes(place: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(f'base = "{place}/base"\ndata = ["{place}/data.jsonl"]\nout = "{tmp_path}/run"\n')
    (tmp_path / "train.py").write_text("raise SystemExit('the wrong module was imported')")
    launch = [sys.executable, "-P", "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    launch += ["--main_process_port", "0", "--no_python", sys.executable, "-P", "-m", "tui"]
    short = ["backbone.max_steps=1", "heldout_rows=2", "evaluations=0", "lora.rank=2", "device=cpu"]
    done = subprocess.run(
        [*launch, "train", "run", str(recipe), *short, "--only", "backbone"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == [f"{tmp_path}/run"]
    assert (tmp_path / "run" / "backbone" / "stage.json").is_file()


def test_without_torch_one_line_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from tui.cli.main import main; sys.exit(main(['train', 'run', 'r.toml']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "umi: `umi train` needs torch, which is not installed; pip install 'umi-agent[train]'"
    ]
