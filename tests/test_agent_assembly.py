"""Making a bundle of files that exist: errors name those files, and a failure leaves nothing."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest
from tiny_gguf import header_ids, write_tiny_adapter, write_tiny_gguf

import agent.bundle.assemble
from agent.bundle import load_bundle
from agent.bundle.assemble import assemble
from agent.errors import BundleError, InputError
from agent.transcript import ROLES, Role
from tui.cli.main import main


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_gguf(tmp_path / "own.gguf")


def test_the_context_is_what_all_models_hold(model: Path, tmp_path: Path) -> None:
    short = write_tiny_gguf(tmp_path / "short.gguf", context_length=512)
    models: dict[Role, Path] = {"planner": model, "caller": model, "summarizer": short}
    assert assemble(tmp_path / "a", models).context_length == 512
    with pytest.raises(InputError, match=r"short\.gguf was made for 512 tokens; give --context 512 or less"):
        assemble(tmp_path / "b", models, context_length=1024)


@pytest.mark.parametrize("asked", [1, 255])
def test_a_context_too_short_to_run_is_refused(asked: int, model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"--context is {asked}; give at least 256 tokens"):
        assemble(tmp_path / "x", {}, backbone=model, context_length=asked)
    assert assemble(tmp_path / "y", {}, backbone=model, context_length=256).context_length == 256
    tiny = write_tiny_gguf(tmp_path / "tiny.gguf", context_length=128)
    with pytest.raises(InputError, match=r"tiny\.gguf was made for 128 tokens, and umi needs 256"):
        assemble(tmp_path / "x", {}, backbone=tiny)


def test_errors_name_the_users_own_files(model: Path, tmp_path: Path) -> None:
    adapters: dict[Role, Path] = {
        role: write_tiny_adapter(tmp_path / f"my-{role}.gguf", header_ids(model, role)) for role in ROLES
    }
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(adapters["caller"].read_bytes()[:-2000])
    refusals = {broken: "is damaged: the file is cut short", model: f"is not an adapter of {model}: "}
    for wrong, what in refusals.items():
        with pytest.raises(BundleError) as caught:
            assemble(tmp_path / "x", {**adapters, "caller": wrong}, backbone=model)
        assert str(caught.value).startswith(f"{wrong} {what}")
        assert str(caught.value).endswith("; give GGUF files that belong together")
    (tmp_path / "text.gguf").write_text("not a model")
    with pytest.raises(BundleError, match=r"text\.gguf"):
        assemble(tmp_path / "x", {**adapters, "caller": tmp_path / "text.gguf"}, backbone=model)
    assert not (tmp_path / "x").exists()


def test_a_bundle_in_the_folder_where_one_stands(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "here"
    (folder / ".part").mkdir(parents=True)  # of a process that was killed
    monkeypatch.chdir(folder)
    assert main(["models", "assemble", ".", "--backbone", "../own.gguf"]) == 0
    assert f"{folder}: single, 2048 tokens" in capsys.readouterr().out
    assert Path.cwd() == folder
    assert load_bundle(folder, verify=True).name == "here"
    assert {path.name for path in folder.iterdir()} == {"backbone.gguf", "bundle.json"}
    assert main(["models", "assemble", ".", "--backbone", str(model)]) == 2
    assert "exists and is not empty" in capsys.readouterr().err


def test_a_file_in_the_way(model: Path) -> None:
    with pytest.raises(InputError, match=r"own\.gguf is a file; give another folder"):
        assemble(model, {}, backbone=model)
    with pytest.raises(InputError, match=r"x cannot be written: Not a directory"):
        assemble(model / "x", {}, backbone=model)


def test_a_full_disk_is_one_line_and_leaves_nothing(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(agent.bundle.assemble.os, "link", full)
    monkeypatch.setattr(shutil, "copyfile", full)
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        with pytest.raises(InputError, match=r"cannot be written: No space left on device; .* make room"):
            assemble(tmp_path / name, {}, backbone=model)
    assert not (tmp_path / "new").exists()
    assert not any((tmp_path / "empty").iterdir())
