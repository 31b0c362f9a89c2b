"""`make gpu-check`: what is missing is one line, and all that it measures is measured on a CPU too."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import gpu_check
import gpu_requirements
import numpy as np
import pytest
from gpu_check import REPORT, Check, export, main
from gpu_requirements import BASE, find_source
from gpu_training import recipe_of
from lock import ROOT
from safetensors.numpy import load_file
from tiny_base import make_base, make_run, tiny_rows

from agent.errors import UmiError
from agent.transcript import ROLES
from train.data.rows import write_rows
from train.recipe import STAGES
from train.run.files import ADAPTER_CONFIG


def test_without_a_gpu_one_line_says_so_and_torch_is_not_loaded() -> None:
    program = (
        "import sys, gpu_requirements, gpu_check\n"
        "gpu_requirements.DRIVER = 'libcuda-that-is-not-here.so'\n"
        "code = gpu_check.main([])\n"
        "sys.exit(99 if 'torch' in sys.modules else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT / "scripts", capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("gpu-check: no CUDA GPU: ")


def test_a_missing_base_or_package_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--device", "cpu"]) == 2
    assert f"get it with: umi models pull {BASE}" in capsys.readouterr().err
    assert main(["--device", "cpu", "--base", str(tmp_path)]) == 2
    assert "is neither a GGUF file nor a checkpoint folder" in capsys.readouterr().err
    monkeypatch.setattr(gpu_requirements, "PACKAGES", ("json", "a_package_nobody_has"))
    assert main(["--device", "cpu"]) == 2
    assert "a_package_nobody_has not installed" in capsys.readouterr().err


def test_a_checkpoint_that_was_imported_is_taken(tmp_path: Path) -> None:
    (tmp_path / "base.gguf").touch()
    assert find_source(str(tmp_path / "base.gguf")) == tmp_path / "base.gguf"
    (tmp_path / "config.json").touch()
    assert find_source(str(tmp_path)) == tmp_path


@pytest.mark.parametrize("steps", [2, 200, 333])
def test_the_steps_are_shared_among_the_stages(steps: int) -> None:
    recipe = recipe_of(Path("base"), Path("data"), Path("out"), "cuda", steps)
    shares = [recipe.stage(stage).max_steps for stage in STAGES]
    assert min(shares) >= 1
    assert sum(shares) == max(steps, 4)
    assert shares[0] >= max(shares[1:])
    assert (recipe.quantization, recipe.optimizer) == ("nf4", "paged_adamw_8bit")


def test_the_whole_check_runs_on_a_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_base(tmp_path / "base")
    write_rows(tmp_path / "rows.jsonl", [*tiny_rows(8), *tiny_rows(4, "valid")])
    monkeypatch.setattr(gpu_check, "find_spec", lambda _: None)
    out = tmp_path / "out"
    argv = ["--device", "cpu", "--steps", "2", "--shapes", "", "--out", str(out)]
    assert main([*argv, "--base", str(tmp_path / "base"), "--data", str(tmp_path / "rows.jsonl")]) == 0
    report = json.loads((out / REPORT).read_text())
    assert report["failures"] == []
    assert report["left_out"] == ["bundle: llama-cpp-python is not installed"]
    assert report["losses"]["largest_relative_difference"] <= report["losses"]["tolerance"]
    assert all(len(losses) == 3 for losses in report["losses"]["of"].values())
    assert report["training"]["peak_bytes"] > 0
    table = capsys.readouterr().out
    for stage in STAGES:
        figures = report["training"]["stages"][stage]
        assert figures["tokens_per_second"] > 0
        assert f"{figures['first_loss']:.4f} -> {figures['last_loss']:.4f}" in table
        adapter = load_file(out / "adapters" / f"{stage}.safetensors")
        assert {tensor.dtype for tensor in adapter.values()} == {np.dtype(np.float16)}
    assert sorted(path.name for path in (out / "adapters").iterdir()) == sorted(
        [ADAPTER_CONFIG, *(f"{stage}.safetensors" for stage in STAGES)]
    )


@pytest.mark.slow
def test_the_bundle_is_proven_and_asked(tmp_path: Path) -> None:
    run = make_run(tmp_path, backbone={"max_steps": 2}, heldout_rows=2)
    figures = export(run, tmp_path / "bundle", Check())
    for role in ROLES:
        proof = figures["export"][role]["f32"]
        assert proof["agreed"] + proof["near_ties"] == proof["positions"] > 0
    assert figures["exit_code"] != 2, figures["error"]


def test_a_part_that_fails_does_not_end_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(error: Exception) -> None:
        raise error

    check = Check()
    for name, error in (("ours", UmiError("no")), ("theirs", RuntimeError("CUDA error\nmore"))):
        assert check.measure(name, fail, error) is None
    assert check.failures == ["ours: no", "theirs: RuntimeError: CUDA error"]
    monkeypatch.setattr(gpu_check, "LIMIT_S", 0.0)
    assert check.measure("late", fail, AssertionError("it has begun")) is None
    report: dict[str, Any] = check.report()
    assert report["left_out"] == ["late: 0 seconds are over"]
    assert set(report["seconds"]) == {"ours", "theirs", "late", "total"}
    assert "CUDA error" in capsys.readouterr().err
