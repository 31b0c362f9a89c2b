"""A run becomes a bundle that the agent loads, whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tiny_base import make_run

import export.merged
from agent.bundle import load_bundle
from agent.errors import UmiError
from agent.transcript import ROLES
from export.__main__ import main
from export.check import Agreement


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("bundle"))


def test_a_run_becomes_a_bundle(run_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mine"
    argv = ["bundle", str(run_folder), "--out", str(out), "--quant", "q4_k_m", "--quant", "caller=q8_0"]
    assert main([*argv, "--grounded", "summarizer", "--license", "Apache-2.0"]) == 0
    said = capfd.readouterr()
    assert said.out == f"{out}\n"
    assert all(line.split(":")[0] in ROLES for line in said.err.splitlines())
    bundle = load_bundle(out, verify=True)
    assert (bundle.name, bundle.license, bundle.context_length) == ("mine", "Apache-2.0", 1024)
    assert {role: bundle.roles[role].file for role in ROLES} == {
        "planner": "planner-q4_k_m.gguf",
        "caller": "caller-q8_0.gguf",
        "summarizer": "summarizer-q4_k_m.gguf",
    }
    assert bundle.roles["summarizer"].grounded
    assert bundle.recipe["lora"]["rank"] == 4
    assert bundle.metrics["train"]["backbone"]["steps"] == 30
    for role in ROLES:
        made = bundle.metrics["export"][role]
        assert made["f32"]["agreed"] + made["f32"]["near_ties"] == made["f32"]["positions"] > 0
        assert made["merge_base"] in ("dequant", "original")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mine"]
    assert len(list(out.iterdir())) == 4


def test_a_bundle_is_replaced_and_anything_else_is_kept(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine"
    argv = ["bundle", str(run_folder), "--out", str(out), "--merge-base", "original", "--quant", "f16"]
    assert main(argv) == 0
    assert main([*argv, "--name", "second"]) == 0
    assert load_bundle(out).name == "second"
    (out / "bundle.json").unlink()
    capsys.readouterr()
    assert main(argv) == 2
    assert "no bundle" in capsys.readouterr().err
    assert len(list(out.iterdir())) == 3


def test_a_file_that_differs_from_its_model_leaves_no_bundle(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(export.merged, "compare", lambda *_: Agreement(9, 8, 0, 1e-5, 2.0))
    assert main(["bundle", str(run_folder), "--out", str(tmp_path / "mine")]) == UmiError.exit_code
    assert "differs from its model at 1 of 9 tokens" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_mistakes_are_one_line(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unfinished = tmp_path / "unfinished"
    shutil.copytree(run_folder, unfinished, ignore=shutil.ignore_patterns("manifest.json"))
    out = ["--out", str(tmp_path / "mine")]
    for argv, said in (
        ([str(unfinished), *out], "is not finished"),
        ([str(tmp_path / "none"), *out], "is not a run folder"),
        ([str(run_folder), *out, "--quant", "q1"], "choose one of f32, f16, q8_0"),
        ([str(run_folder)], "--out"),
        ([str(run_folder), *out, "--merge-base", "thin air"], "invalid choice"),
        ([str(run_folder), *out, "--context", "-1"], "--context is -1"),
        ([str(run_folder), *out, "--context", "999999"], "--context is 999999"),
    ):
        assert main(["bundle", *argv]) == 2
        err = capsys.readouterr().err
        assert said in err
        assert err.count("\n") == 1
    assert not (tmp_path / "mine").exists()
