"""Pulls of the stand-in hub's bundle, for tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hub import REPO, Hub

from agent.bundle.download.pull import pull
from agent.errors import UmiError

Edit = Callable[[dict[str, Any]], object]


def no_progress(file: str, done: int, size: int) -> None:
    """Ignore the progress of a pull."""


def refusal(repository: str = REPO, name: str | None = None) -> str:
    """Return the message of a pull that must fail, and check that it is one line with a next step."""
    with pytest.raises(UmiError) as caught:
        pull(repository, name, no_progress)
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return str(caught.value)


def edit(hub: Hub, change: Edit) -> None:
    """Change the manifest of the bundle on the hub."""
    files = hub.repositories[REPO].files
    manifest = json.loads(files["bundle.json"])
    change(manifest)
    files["bundle.json"] = json.dumps(manifest).encode()


def large_requests(hub: Hub) -> list[str]:
    """Return the names of the model files that were requested, in order."""
    return [request.path.split("/")[-1] for request in hub.requests if request.large]
