"""`umi train average`: the mean of a run and of the one that it went on from, as a run to export."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fakes import run_export
from tiny_base import TINY_RUN, make_run

from train.loop.pipeline import train
from train.model.weights.adapter import read_adapter
from train.recipe import Recipe
from train.run.finished import load_run
from tui.cli.main import main

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # peft 0.21 reads a renamed attribute


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run of one adapter, and one that went on from it for three steps."""
    first = make_run(tmp_path_factory.mktemp("average"), method="multi-task")
    folder = first.parent
    paths = {
        "base": str(folder / "base"),
        "data": [str(folder / "data.jsonl")],
        "out": str(folder / "second"),
    }
    stage = {"learning_rate": 1e-2, "max_steps": 3}
    recipe = {**TINY_RUN, **paths, "method": "multi-task", "start": str(first), "backbone": stage}
    return first, train(Recipe.from_json(recipe), lambda _: None)


def average(out: Path, *runs: Path, weights: str = "") -> int:
    options = ["--weights", weights] if weights else []
    return main(["train", "average", *map(str, runs), *options, "--out", str(out)])


def test_each_matrix_is_the_weighted_mean(runs: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = runs
    assert average(tmp_path / "mean", second, first, weights="3,1") == 0
    one, other, mean = (read_adapter(folder / "backbone") for folder in (second, first, tmp_path / "mean"))
    assert (mean.scale, mean.pairs.keys()) == (one.scale, one.pairs.keys())
    for name, halves in mean.pairs.items():
        for half, matrix in enumerate(halves):
            expected = 0.75 * one.pairs[name][half] + 0.25 * other.pairs[name][half]
            np.testing.assert_allclose(matrix, expected, rtol=1e-3, atol=1e-6)


def test_all_the_weight_on_one_run_is_that_run(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = runs
    assert average(tmp_path / "mean", second, first, weights="1,0") == 0
    stage = json.loads((tmp_path / "mean" / "backbone" / "stage.json").read_text())
    own = json.loads((second / "backbone" / "stage.json").read_text())
    for role, loss in own["heldout_loss"].items():
        assert stage["heldout_loss"][role] == pytest.approx(loss, rel=1e-3)
    assert "held-out loss of planner" in capsys.readouterr().err


def test_the_mean_is_exported_and_names_its_runs(runs: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = runs
    assert average(tmp_path / "mean", second, first) == 0
    run = load_run(tmp_path / "mean")
    assert dict(run.averaged) == {str(second): 0.5, str(first): 0.5}
    out = tmp_path / "bundle"
    assert run_export(["bundle", str(tmp_path / "mean"), "--license", "MIT", "--out", str(out)]) == 0
    recipe = json.loads((out / "bundle.json").read_text())["recipe"]
    assert recipe["averaged"] == {second.name: 0.5, first.name: 0.5}
    assert {f"{folder.name}/adapter_model.safetensors" for folder in runs} <= recipe["inputs"].keys()


def test_training_goes_on_from_the_mean(runs: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = runs
    mean = tmp_path / "mean"
    assert average(mean, second, first) == 0
    fields = load_run(mean).recipe
    stage = {"learning_rate": 1e-3, "max_steps": 1}
    recipe = {**TINY_RUN, **fields, "start": str(mean), "out": str(tmp_path / "third"), "backbone": stage}
    assert (train(Recipe.from_json(recipe), lambda _: None) / "manifest.json").is_file()


@pytest.mark.parametrize(
    ("weights", "named"),
    [
        ("1", "1 weights for 2 runs"),
        ("1,-1", "numbers from 0"),
        ("0,0", "not all 0"),
        ("a,b", "a,b"),
        ("nan,1", "0"),
    ],
)
def test_weights_that_are_none(
    weights: str, named: str, runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert average(tmp_path / "mean", *runs, weights=weights) == 2
    assert named in capsys.readouterr().err
    assert not (tmp_path / "mean").exists()


def test_runs_that_do_not_fit(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = runs
    assert average(tmp_path / "mean", first) == 2
    assert "two runs or more" in capsys.readouterr().err
    assert average(first, second, first) == 2
    assert "already exists" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert average(tmp_path / "mean", first, tmp_path / "empty") == 2
    assert "holds no finished stage 1" in capsys.readouterr().err
    other = make_run(tmp_path, method="multi-task", lora={"rank": 2, "alpha": 4})
    assert average(tmp_path / "mean", first, other) == 2
    assert "do not fit" in capsys.readouterr().err
    roles = make_run(tmp_path / "roles")
    assert average(tmp_path / "mean", roles, first) == 2
    assert "trained roles apart" in capsys.readouterr().err
    assert not (tmp_path / "mean").exists()
