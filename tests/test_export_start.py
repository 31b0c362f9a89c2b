"""`umi train start`: training goes on from a bundle's adapter as from the run that it was made of."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import run_export
from tiny_base import TINY_RUN, make_run
from tiny_gguf import write_tiny_bundle

from agent.paths import bases_folder, sha256_of
from export.gguf.convert import convert
from train.loop.pipeline import train
from train.model.weights.adapter import read_adapter
from train.recipe import Recipe
from tui.cli.main import main


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one adapter for all roles, over a base that says which GGUF file it was imported from."""
    run = make_run(tmp_path_factory.mktemp("start"), method="multi-task")
    file = convert(run.parent / "base", run.parent / "tiny.gguf", "f32")
    record = {"source": file.name, "sha256": sha256_of(file), "bytes": file.stat().st_size}
    (run.parent / "base" / "import.json").write_text(json.dumps(record))
    return run


@pytest.fixture
def bundle(run_folder: Path, tmp_path: Path) -> Path:
    """The run's bundle of deltas, in float16 as the run keeps its adapter."""
    place = bases_folder() / "tiny" / "tiny.gguf"
    place.parent.mkdir(parents=True)
    shutil.copyfile(run_folder.parent / "tiny.gguf", place)
    out = tmp_path / "bundle"
    argv = ["bundle", str(run_folder), "--deltas", "--adapter-type", "f16", "--license", "MIT"]
    assert run_export([*argv, "--quant", "f32", "--out", str(out)]) == 0
    return out


def start(bundle: Path, base: Path, out: Path) -> int:
    return main(["train", "start", str(bundle), "--base", str(base), "--out", str(out)])


def go_on(run_folder: Path, start: Path, out: Path) -> Path:
    """Train two more steps of stage 1 from the run folder `start`."""
    paths: dict[str, Any] = {
        "base": str(run_folder.parent / "base"),
        "data": [str(run_folder.parent / "data.jsonl")],
        "out": str(out),
        "start": str(start),
    }
    stage = {"learning_rate": 1e-3, "max_steps": 2}
    recipe = Recipe.from_json({**TINY_RUN, **paths, "method": "multi-task", "backbone": stage})
    return train(recipe, lambda _: None)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft 0.21 reads a renamed attribute
def test_training_goes_on_as_from_the_run_itself(run_folder: Path, bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs" / "start"
    assert start(bundle, run_folder.parent / "base", out) == 0
    own, written = (read_adapter(folder / "backbone") for folder in (run_folder, out))
    assert (written.scale, written.pairs.keys()) == (own.scale, own.pairs.keys())
    for name, (a, b) in own.pairs.items():
        np.testing.assert_array_equal(written.pairs[name][0], a)
        np.testing.assert_array_equal(written.pairs[name][1], b)
    again, other = (
        read_adapter(go_on(run_folder, folder, tmp_path / name) / "backbone")
        for folder, name in ((run_folder, "again"), (out, "other"))
    )
    for name, (a, b) in again.pairs.items():
        np.testing.assert_array_equal(other.pairs[name][0], a)
        np.testing.assert_array_equal(other.pairs[name][1], b)
    assert any((again.pairs[name][1] != own.pairs[name][1]).any() for name in own.pairs)


def test_one_line_for_what_cannot_be_started_from(
    run_folder: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = run_folder.parent / "base"

    def refusal(source: Path, over: Path = base) -> str:
        assert start(source, over, tmp_path / "out") == 2
        [line] = capsys.readouterr().err.splitlines()
        assert not (tmp_path / "out").exists()
        return line

    capsys.readouterr()
    assert "whole models" in refusal(write_tiny_bundle(tmp_path / "whole").folder)
    assert "is not a base that umi imported" in refusal(bundle, tmp_path)
    other = shutil.copytree(base, tmp_path / "other")
    (other / "import.json").write_text(json.dumps({"sha256": "0" * 64}))
    assert "is not the base of bundle, tiny.gguf" in refusal(bundle, other)
    manifest = json.loads((bundle / "bundle.json").read_text())
    recipe = manifest["recipe"]
    manifest["recipe"] = {**recipe, "lora": {**recipe["lora"], "rank": 8}}
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    assert "not of the rank" in refusal(bundle)
    manifest["recipe"] = {}
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    assert "does not say how it was trained" in refusal(bundle)
    for role in ("planner", "caller"):
        shutil.copyfile(bundle / "backbone-delta-f16.gguf", bundle / f"{role}.gguf")
        manifest["roles"][role]["deltas"][0]["file"] = f"{role}.gguf"
        manifest["roles"][role]["file"] = f"{role}-f32.gguf"
    manifest["layout"] = "merged"
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    assert "have 3 adapters" in refusal(bundle)
    (tmp_path / "taken").mkdir()
    assert start(bundle, base, tmp_path / "taken") == 2
    assert "already exists" in capsys.readouterr().err
