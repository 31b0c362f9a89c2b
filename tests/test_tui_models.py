"""`umi models assemble` and `umi doctor` on small models."""

from __future__ import annotations

from pathlib import Path

import pytest
from llama_cpp import llama_supports_gpu_offload
from tiny_gguf import header_ids, write_tiny_adapter, write_tiny_gguf

import tui.cli.doctor
from agent.paths import cache_folder
from agent.transcript import ROLES
from tui.cli.main import main


@pytest.fixture
def shared(tmp_path: Path) -> list[str]:
    """The options that make a shared bundle."""
    model = write_tiny_gguf(tmp_path / "model.gguf")
    options = ["--backbone", str(model)]
    for role in ROLES:
        adapter = write_tiny_adapter(tmp_path / f"{role}.gguf", header_ids(model, role))
        options += [f"--{role}", str(adapter)]
    return options


def test_a_bundle_of_files_that_exist(
    shared: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine"
    assert main(["models", "assemble", str(out), *shared]) == 0
    assert "shared, 2048 tokens of context" in capsys.readouterr().out
    assert main(["models", "verify", str(out)]) == 0
    assert capsys.readouterr().out.count("ok  ") == 4
    assert main(["models", "show", str(out)]) == 0
    assert "backbone.gguf" in (output := capsys.readouterr().out)
    assert "+ planner.gguf" in output


def test_one_line_for_what_does_not_fit_together(
    shared: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "mine")
    assert main(["models", "assemble", out, *shared[:-2]]) == 2
    assert "--summarizer is not given" in capsys.readouterr().err
    assert main(["models", "assemble", out, *shared, "--dialect", "latin"]) == 2
    assert "there is no dialect latin; there are umi and chat" in capsys.readouterr().err
    assert main(["models", "assemble", out, *shared, "--context", "99999"]) == 2
    assert "model.gguf was made for 2048 tokens; give --context 2048 or less" in capsys.readouterr().err
    assert not Path(out).exists()


def test_tools_that_do_not_fit_are_refused_before_any_work(
    shared: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "mine")
    assert main(["models", "assemble", out, *shared, "--context", "600"]) == 0
    assert main(["ask", "hello", "--models", out]) == 2
    output = capsys.readouterr().err
    assert "the tools take" in output
    assert "mine holds 600" in output
    assert "offer fewer tools with --tools" in output
    assert main(["ask", "hello", "--models", out, "--tools", "system_info"]) in (0, 1, 3, 4, 5)


def test_doctor_names_the_devices_and_how_it_computes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    output = capsys.readouterr().out
    assert "devices           CPU" in output
    assert "f16 cache" in output
    assert "threads" in output


def test_doctor_says_what_has_no_effect_and_what_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    states = cache_folder() / "states"
    states.mkdir(parents=True)
    (states / "a.state").write_bytes(bytes(2_000_000))
    assert main(["config", "set", "engine.gpu_layers", "20"]) == 0
    assert main(["config", "set", "engine.threads", "1"]) == 0
    main(["doctor"])
    output = capsys.readouterr().out
    if not llama_supports_gpu_offload():
        assert "on the processor (gpu_layers 20 has no effect: llama.cpp finds no GPU)" in output
    assert "kept states       1 of tool lists, 2.0 MB" in output


def test_doctor_reports_the_memory_of_the_models(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tui.cli.doctor, "available_bytes", lambda: 123_000_000)
    assert main(["config", "set", "engine.threads", "1"]) == 0
    main(["doctor"])
    assert "123.0 MB available" in capsys.readouterr().out
