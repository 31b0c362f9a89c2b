"""What all tests share: no test sees the user's own folders, and one very small bundle serves all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from locked import other_versions, warning_filters
from tiny_gguf import write_tiny_bundle

from agent.bundle import Bundle

if TYPE_CHECKING:
    from hub import Hub

    from agent.llama.binding.model import Vocabulary


def pytest_configure(config: pytest.Config) -> None:
    """Choose which warnings are errors by whether the lock is in force."""
    for line in warning_filters():
        config.addinivalue_line("filterwarnings", line)


def pytest_report_header() -> str:
    """Say which versions are tested."""
    other = other_versions()
    return f"not the locked versions: {', '.join(other)}" if other else "all packages as locked"


@pytest.fixture(autouse=True)
def umi_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of the user's own."""
    home = tmp_path / "umi-home"
    monkeypatch.setenv("UMI_HOME", str(home))
    return home


@pytest.fixture
def models(umi_home: Path) -> Path:
    """The folder of the user's bundles; it does not exist yet."""
    return umi_home / "models"


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Three models of random weights, one a role. Not to be written to."""
    return write_tiny_bundle(tmp_path_factory.mktemp("tiny") / "tiny")


@pytest.fixture(scope="session")
def vocabulary(tiny_bundle: Bundle) -> Iterator[Vocabulary]:
    """The vocabulary of the very small planner."""
    from agent.llama.binding.model import Model

    model = Model(tiny_bundle.path("planner"))
    yield model.vocabulary
    model.close()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A stand-in of the hub with one bundle, `hub.REPO`."""
    from hub import REPO, hub_in_use, made_bundle, repository_of

    made_bundle(tmp_path / "small")
    with hub_in_use(monkeypatch, tmp_path) as used:
        used.repositories[REPO] = repository_of(tmp_path / "small")
        yield used
