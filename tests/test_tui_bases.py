"""`umi models pull NAME`, `catalogue`, `list` and `remove` of bases."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hub import REPO, Hub, Repository, made_bundle

import agent.llama.speed.probe
import tui.cli.models.bases
from agent.bundle.download.bases import InstalledBase, base_folder, write_record
from agent.bundle.download.catalogue import CataloguedBase, HubSource
from agent.llama.speed.estimate import Rates
from tui.cli.main import main

DATA = b"GGUF" + bytes(300_000)


@pytest.fixture
def pulled() -> Path:
    """A base on this machine."""
    folder = base_folder("small-base")
    folder.mkdir(parents=True)
    (folder / "small.gguf").write_bytes(DATA)
    sha256 = hashlib.sha256(DATA).hexdigest()
    write_record(folder, InstalledBase("small-base", "small.gguf", len(DATA), sha256, "MIT", "a test"))
    return folder


def failed(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one line on stderr of a command that must fail with exit code 2."""
    assert main(["models", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    return err


def test_pull(hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    hub.repositories["someone/base"] = Repository({"small.gguf": DATA})
    source = HubSource("someone/base")
    base = CataloguedBase(
        "small-base", "Zeros", "MIT", "Q8_0", 1, "small.gguf", 300_000, tried=False, hub=source
    )
    monkeypatch.setattr(tui.cli.models.bases, "find_in_catalogue", {"small-base": base}.__getitem__)
    assert main(["models", "pull", "small-base"]) == 0
    out, err = capsys.readouterr()
    path = base_folder("small-base") / "small.gguf"
    commit = hub.repositories["someone/base"].commit
    assert out == f"{path}: 300.0 kB, licence MIT, from someone/base@{commit}\n"
    assert err.splitlines()[0] == "  small.gguf  300.0 kB"
    assert main(["models", "pull", "small-base", "--from", "hub"]) == 0
    assert capsys.readouterr() == (f"{path}: there already, its sha256 is right\n", "")


def test_bad_arguments_of_pull_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean smollm2-135m?" in failed(capsys, "pull", "smollm2-135")
    assert "a base keeps its name" in failed(capsys, "pull", "smollm2-135m", "--name", "other")
    assert "a bundle comes from the hub" in failed(capsys, "pull", REPO, "--from", "index")
    assert "did you mean index?" in failed(capsys, "pull", "smollm2-135m", "--from", "indx")
    assert "leave out --from" in failed(capsys, "pull", "qwen3-0.6b", "--from", "index")


def test_the_catalogue_says_what_was_not_tried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(agent.llama.speed.probe, "_measure", lambda *_: Rates(0.0, 1e-10, 0.0, 1e-10))
    assert main(["models", "catalogue"]) == 0
    out, err = capsys.readouterr()
    assert err.startswith("measuring this machine, once")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert lines["smollm2-135m"].split("  ")[-2].strip() == "74 / 100"
    assert main(["models", "list"]) == 0
    assert "tokens/s" in capsys.readouterr().out
    assert main(["models", "catalogue"]) == 0
    assert "measuring" not in capsys.readouterr().err
    assert "98.4 MB" in lines["smollm2-135m"]
    assert "from the index or the hub" in lines["smollm2-135m"]
    assert "not tried here" not in lines["smollm2-135m"]
    for name in ("qwen3-0.6b", "qwen3-1.7b", "granite-4.0-350m", "smollm2-360m"):
        assert "not tried here" in lines[name]
        assert "Apache-2.0" in lines[name]


def test_list_shows_bases_after_the_bundles(pulled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    _, deltas, bundle, base = capsys.readouterr().out.splitlines()
    assert "get it with: umi models pull smollm2-135m" in deltas
    assert bundle.startswith("* umi-mini")
    assert base.split()[:4] == ["small-base", "300.0", "kB", "MIT"]
    (pulled / "small.gguf").write_bytes(b"half")
    assert main(["models", "list"]) == 0
    assert "is damaged" in (said := capsys.readouterr().out)
    assert "umi models pull small-base" in said


def test_remove(pulled: Path, umi_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is nobody to ask; add --yes" in failed(capsys, "remove", "small-base")
    bundle = made_bundle(umi_home / "models" / "small-base").folder
    assert main(["models", "remove", "small-base", "--yes"]) == 0
    assert (pulled.exists(), bundle.exists()) == (True, False)  # a bundle goes before a base of its name
    assert main(["models", "remove", "small-base", "--yes"]) == 0
    assert not pulled.exists()
    assert "removed small-base (300." in capsys.readouterr().out


def test_a_base_is_no_bundle(pulled: Path, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "use", "small-base"]) == 2
    assert "small.gguf is damaged: GGUF of version 0" in capsys.readouterr().err
    assert main(["ask", "hello", "--models", "small-base"]) == 2
    assert "small-base is a base, not a bundle" in capsys.readouterr().err
    assert "'bases' is not a name for models" in failed(capsys, "pull", REPO, "--name", "bases")
