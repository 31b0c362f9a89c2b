"""What all tests share: no test sees the user's own folders, and one very small bundle serves all."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_gguf import write_tiny_bundle

from agent.bundle import Bundle


@pytest.fixture(autouse=True)
def umi_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of the user's own."""
    home = tmp_path / "umi-home"
    monkeypatch.setenv("UMI_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Three models of random weights, one a role. Not to be written to."""
    return write_tiny_bundle(tmp_path_factory.mktemp("tiny") / "tiny")
