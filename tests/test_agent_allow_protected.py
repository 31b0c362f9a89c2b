"""`--allow-protected`: what a pattern allows and what not; umi's own files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from protected_places import KEY, make

from agent.errors import InputError, ProtectedPathError
from agent.setup import make_toolbox
from agent.transcript import Call


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    root.mkdir()
    return root


@pytest.mark.parametrize(
    ("pattern", "allowed", "refused"),
    [
        (".env", ".env", "app/.env"),
        ("*.env", "app/.env", ".npmrc"),
        (".github/workflows", ".github/workflows/ci.yml", ".github/actions/x/action.yml"),
        (".github/workflows/*.yml", ".github/workflows/ci.yml", ".github/workflows/ci.yaml"),
        ("*.pem", "deploy.pem", "deploy.txt"),
    ],
)
def test_a_pattern_allows_what_it_names_and_nothing_else(
    root: Path, pattern: str, allowed: str, refused: str
) -> None:
    toolbox = make_toolbox(root, allow_protected=[pattern])

    def write(path: str) -> str:
        return toolbox.run(Call("write_file", {"path": path, "content": "x"}))

    assert write(allowed) == f"wrote 1 character to {allowed}"
    if refused.startswith("deploy"):
        make(root, refused, KEY)
        with pytest.raises(ProtectedPathError):
            toolbox.run(Call("read_file", {"path": refused}))
    else:
        with pytest.raises(ProtectedPathError):
            write(refused)
    make(root, allowed, KEY)
    assert "AAAA" in toolbox.run(Call("read_file", {"path": allowed}))


def test_a_pattern_is_compared_with_the_resolved_path(root: Path) -> None:
    toolbox = make_toolbox(root, allow_protected=["docs", "allowed.txt"])
    for path in (".env", "deploy.pem", "docs/plan.md"):
        make(root, path, KEY)
    (root / "allowed.txt").symlink_to("deploy.pem")
    for path in ("docs/../.env", "docs/../deploy.pem", "allowed.txt", str(root / "deploy.pem")):
        with pytest.raises(ProtectedPathError):
            toolbox.run(Call("read_file", {"path": path}))
    assert "AAAA" in toolbox.run(Call("read_file", {"path": str(root / "docs" / "plan.md")}))


def test_umis_own_files_are_protected_in_a_workspace_around_them(tmp_path: Path, umi_home: Path) -> None:
    toolbox = make_toolbox(tmp_path)
    make(umi_home, "sessions/a.json", "{}")
    for path in ("umi-home/config.toml", "umi-home/notes.jsonl", "UMI-Home/undo/00000001"):
        with pytest.raises(ProtectedPathError, match="umi itself"):
            toolbox.run(Call("write_file", {"path": path, "content": "{}"}))
    with pytest.raises(ProtectedPathError):
        toolbox.run(Call("read_file", {"path": "umi-home/sessions/a.json"}))
    assert os.listdir(umi_home) == ["sessions"]


def test_an_empty_pattern_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match="--allow-protected"):
        make_toolbox(root, allow_protected=[""])
