"""Protected places: not written and, where they hold credentials, not read, however they are spelled."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from attacks.paths import attack
from protected_places import CREDENTIALS, KEY, OBEYED, SPELLINGS, make, tree

from agent.errors import ProtectedPathError, ToolError
from agent.tools import Tool, ToolContext, Workspace, builtin_tools

TOOLS: dict[str, Tool] = {t.name: t for t in builtin_tools()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    (root / "docs").mkdir(parents=True)
    (root / "docs" / "plan.md").write_text("a plan without a secret\n")
    return root


@pytest.fixture
def context(root: Path, tmp_path: Path) -> ToolContext:
    return ToolContext(Workspace(root), tmp_path / "notes.jsonl")


def ask(context: ToolContext, name: str, /, **arguments: Any) -> str:
    return TOOLS[name].run(context, arguments)


@pytest.mark.parametrize("path", [*CREDENTIALS, *OBEYED, *SPELLINGS])
def test_protected_places_are_not_written_and_no_folder_is_made(
    context: ToolContext, root: Path, path: str
) -> None:
    before = tree(root)
    if path.startswith("new/.."):  # a folder that is missing is no way back either
        with pytest.raises(ToolError):
            ask(context, "write_file", path=path, content="x")
    else:
        with pytest.raises(ProtectedPathError) as caught:
            ask(context, "write_file", path=path, content="x")
        assert "--allow-protected" in str(caught.value)
        assert "\n" not in str(caught.value)
    assert tree(root) == before


@pytest.mark.parametrize("path", CREDENTIALS)
def test_credentials_are_neither_read_nor_found_nor_counted(
    context: ToolContext, root: Path, path: str
) -> None:
    make(root, path)
    before = tree(root)
    for name, arguments in (
        ("read_file", {"path": path}),
        ("search_text", {"query": "token", "path": path}),
        ("write_file", {"path": path, "content": "x"}),
    ):
        with pytest.raises(ProtectedPathError):
            ask(context, name, **arguments)
    assert "secret" not in ask(context, "search_text", query="token")
    assert "line" not in ask(context, "file_info", path=path)
    assert tree(root) == before


@pytest.mark.parametrize("path", ["readme.txt", "link/credentials", "deep/readme.txt", "around/../a"])
def test_links_to_protected_places_are_seen_through(context: ToolContext, root: Path, path: str) -> None:
    make(root, ".aws/credentials")
    make(root, "deep/.env")
    (root / "readme.txt").symlink_to(".aws/credentials")
    (root / "link").symlink_to(root / ".aws")
    (root / "deep" / "readme.txt").symlink_to(".env")
    (root / "around").symlink_to("deep")
    (root / "a").symlink_to("around/.env")
    before = tree(root)
    for name, more in (("read_file", {}), ("search_text", {"query": "t"}), ("write_file", {"content": "x"})):
        with pytest.raises(ProtectedPathError):
            ask(context, name, path=path, **more)
    assert tree(root) == before


def test_a_link_with_a_protected_name_is_protected(context: ToolContext, root: Path) -> None:
    make(root, "settings/environment", "token=secret")
    make(root, "data/config", "token=secret")
    (root / ".env").symlink_to("settings/environment")
    (root / ".git").symlink_to("data")
    (root / "also").symlink_to(".git")
    (root / ".bashrc").symlink_to("docs/plan.md")
    for path in (".env", ".git/config", "also/config", "docs/../.git/config"):
        for name, more in (("read_file", {}), ("search_text", {"query": "token"})):
            with pytest.raises(ProtectedPathError):
                ask(context, name, path=path, **more)
    before = tree(root)
    for path in (".env", ".git/config", ".git/hooks/x", ".git/../new.txt", ".bashrc"):
        with pytest.raises(ProtectedPathError):
            ask(context, "write_file", path=path, content="x")
    assert tree(root) == before


def test_a_link_to_where_nothing_is_yet_is_seen_through(context: ToolContext, root: Path) -> None:
    (root / ".git").mkdir()
    (root / "config.txt").symlink_to(".git/config")
    (root / "hooks").symlink_to(".git/hooks")
    for path in ("config.txt", "hooks/post-checkout"):
        with pytest.raises(ToolError):
            ask(context, "write_file", path=path, content="x")
    assert os.listdir(root / ".git") == []


@pytest.mark.parametrize("place", [".git", ".github/workflows", ".ssh"])
def test_a_workspace_in_a_protected_place_is_protected(tmp_path: Path, place: str) -> None:
    (tmp_path / place / "sub").mkdir(parents=True)
    for root in (tmp_path / place, tmp_path / place / "sub", (tmp_path / place).parent):
        context = ToolContext(Workspace(root), tmp_path / "notes.jsonl")
        inside = Path(place).name + "/x" if root == (tmp_path / place).parent else "x"
        with pytest.raises(ProtectedPathError):
            ask(context, "write_file", path=inside, content="x")


def test_a_repository_by_another_name_is_protected(context: ToolContext, root: Path) -> None:
    for name in ("objects", "refs", "hooks"):
        (root / "data" / name).mkdir(parents=True)
    make(root, "data/HEAD", "ref: refs/heads/main\n")
    for path in ("data/config", "data/hooks/x", "data/worktrees/x/gitdir"):
        with pytest.raises(ProtectedPathError, match="git repository"):
            ask(context, "write_file", path=path, content="x")
        assert not (root / path).exists()
    ask(context, "write_file", path="beside.txt", content="x")


@pytest.mark.parametrize("path", ["deploy.pem", "server.key", "backup/innocent.txt", "values.yaml"])
def test_a_private_key_is_not_read_whatever_its_name(context: ToolContext, root: Path, path: str) -> None:
    make(root, path, f"# deployment\nkey: |\n  {KEY}" if path.endswith("yaml") else KEY)
    with pytest.raises(ProtectedPathError, match="private key"):
        ask(context, "read_file", path=path)
    output = ask(context, "search_text", query="secret")
    assert "AAAA" not in output
    assert "1 protected file was not searched" in output


@pytest.mark.parametrize(
    "path",
    [
        ".env.example",
        "environment.txt",
        ".gitignore",
        ".github/CODEOWNERS",
        "src/profile.py",
        "src/hooks/pre-fetch.ts",
        "HEAD.txt",
        "cert.pem",
        "id_rsa.pub",
        "git/config",
        "vscode/a.json",
        ".envoy.yaml",
        "aws/config",
        "notes~1.txt",
        ".gitattributes",
    ],
)
def test_ordinary_files_are_read_and_written(context: ToolContext, root: Path, path: str) -> None:
    text = "-----BEGIN CERTIFICATE-----\n"
    assert ask(context, "write_file", path=path, content=text).startswith("wrote")
    assert ask(context, "read_file", path=path) == text.strip()
    assert "protected" not in ask(context, "search_text", query="zebra")


def test_what_is_no_credential_can_be_read(context: ToolContext, root: Path) -> None:
    make(root, ".github/workflows/ci.yml", "on: push\n")
    make(root, ".bashrc", "alias x=y\n")
    make(root, ".git/HEAD", "ref: refs/heads/main\n")
    assert ask(context, "read_file", path=".github/workflows/ci.yml") == "on: push"
    assert ask(context, "read_file", path=".bashrc") == "alias x=y"
    assert ask(context, "read_file", path=".git/HEAD") == "ref: refs/heads/main"


def test_random_paths_reach_no_protected_place(tmp_path: Path) -> None:
    """Paths of hostile parts, through links of every kind; then the tree is compared with what it was."""
    result = attack(tmp_path, 600)
    assert result.holds, result.wrong
    assert result.also["refused as protected"] > 150
    assert result.also["files written"] > 20


@pytest.mark.parametrize("place", [".ssh/config", ".netrc", ".git/config"])
def test_a_hard_link_to_credentials_is_not_read_under_another_name(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    home = tmp_path / "home"
    for folder in (home, root):
        make(folder, place)
    monkeypatch.setenv("HOME", str(home))
    context = ToolContext(Workspace(root), tmp_path / "notes.jsonl")
    os.link(home / place, root / "plain.txt")
    os.link(root / place, root / "other.txt")
    os.link(root / "docs" / "plan.md", root / "plan2.md")
    for name in ("plain.txt", "other.txt"):
        with pytest.raises(ProtectedPathError, match="hard link to a file of passwords"):
            ask(context, "read_file", path=name)
    assert "protected files were not searched" in ask(context, "search_text", query="token")
    assert "without a secret" in ask(context, "read_file", path="plan2.md")
    allowed = ToolContext(Workspace(root, allowed=["plain.txt"]), tmp_path / "notes.jsonl")
    assert ask(allowed, "read_file", path="plain.txt")


def test_a_write_leaves_the_other_names_of_a_file_as_they_are(
    context: ToolContext, root: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("outside")
    os.link(outside, root / "linked.txt")
    change = TOOLS["write_file"].change(context, {"path": "linked.txt", "content": "new"})
    assert change is not None
    assert change.replaced is not None
    assert change.replaced.names == 2
    ask(context, "write_file", path="linked.txt", content="new")
    assert (outside.read_text(), (root / "linked.txt").read_text()) == ("outside", "new")
