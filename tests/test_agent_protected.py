"""Protected places: not written and, where they hold credentials, not read, however they are spelled."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

import pytest

from agent.errors import InputError, Protected, ToolError
from agent.setup import make_toolbox
from agent.tools import Tool, ToolContext, Workspace, builtin_tools
from agent.tools.lib.confinement.protected import fold
from agent.transcript import Call

TOOLS: dict[str, Tool] = {t.name: t for t in builtin_tools()}
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAAsecret\n-----END OPENSSH PRIVATE KEY-----\n"

CREDENTIALS = [
    ".env",
    ".env.local",
    "app/.env.production",
    ".envrc",
    ".ssh/id_ed25519",
    ".ssh/config",
    "keys/id_rsa",
    ".netrc",
    ".aws/credentials",
    "home/.aws/config",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    ".git/config",
    ".git/modules/sub/config",
    ".kube/config",
    ".docker/config.json",
    ".config/gh/hosts.yml",
    ".gnupg/secring.gpg",
    ".cargo/credentials.toml",
    ".cache/huggingface/token",
    ".bash_history",
    "vault.kdbx",
]
OBEYED = [
    ".git/hooks/post-checkout",
    ".git",
    "sub/.git/info/attributes",
    "HEAD",
    ".husky/pre-commit",
    ".githooks/pre-push",
    ".vscode/tasks.json",
    ".github/workflows/ci.yml",
    ".idea/workspace.xml",
    ".devcontainer/devcontainer.json",
    ".bashrc",
    ".bash_profile",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".config/fish/config.fish",
    ".config/systemd/user/x.service",
    ".gitconfig",
    ".gitlab-ci.yml",
    "a/b/c/.vimrc",
]
SPELLINGS = [
    ".GIT/config",
    ".Git/config",
    "./.git//config",
    "docs/../.git/config",
    "new/../.git/config",
    ".git./config",
    ".git /config",
    ".git . ./config",
    ".git::$INDEX_ALLOCATION/config",
    ".gi\u200ct/config",
    "\ufeff.git/config",
    ".g\u200bit/config",
    "\uff0egit/config",
    ".\uff47\uff49\uff54/config",
    "GIT~1/config",
    ".\u017f\u017fh/id_x",
    ".ENV",
    ".env ",
    ".Env.",
    ".env:stream",
    "\u2024env",
    ".BASHRC",
    ".github/WorkFlows/ci.yml",
]


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


def make(root: Path, path: str, content: str = "token=secret\n") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(content)


def tree(root: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in root.rglob("*")
    }


@pytest.mark.parametrize("path", [*CREDENTIALS, *OBEYED, *SPELLINGS])
def test_protected_places_are_not_written_and_no_folder_is_made(
    context: ToolContext, root: Path, path: str
) -> None:
    before = tree(root)
    if path.startswith("new/.."):  # a folder that is missing is no way back either
        with pytest.raises(ToolError):
            ask(context, "write_file", path=path, content="x")
    else:
        with pytest.raises(Protected) as caught:
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
        with pytest.raises(Protected):
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
        with pytest.raises(Protected):
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
            with pytest.raises(Protected):
                ask(context, name, path=path, **more)
    before = tree(root)
    for path in (".env", ".git/config", ".git/hooks/x", ".git/../new.txt", ".bashrc"):
        with pytest.raises(Protected):
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
        with pytest.raises(Protected):
            ask(context, "write_file", path=inside, content="x")


def test_a_repository_by_another_name_is_protected(context: ToolContext, root: Path) -> None:
    for name in ("objects", "refs", "hooks"):
        (root / "data" / name).mkdir(parents=True)
    make(root, "data/HEAD", "ref: refs/heads/main\n")
    for path in ("data/config", "data/hooks/post-checkout", "data/worktrees/x/gitdir"):
        with pytest.raises(Protected, match="git repository"):
            ask(context, "write_file", path=path, content="x")
        assert not (root / path).exists()
    ask(context, "write_file", path="beside.txt", content="x")


@pytest.mark.parametrize("path", ["deploy.pem", "server.key", "backup/innocent.txt", "values.yaml"])
def test_a_private_key_is_not_read_whatever_its_name(context: ToolContext, root: Path, path: str) -> None:
    make(root, path, f"# deployment\nkey: |\n  {KEY}" if path.endswith("yaml") else KEY)
    with pytest.raises(Protected, match="private key"):
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
        with pytest.raises(Protected):
            toolbox.run(Call("read_file", {"path": refused}))
    else:
        with pytest.raises(Protected):
            write(refused)
    make(root, allowed, KEY)
    assert "AAAA" in toolbox.run(Call("read_file", {"path": allowed}))


def test_a_pattern_is_compared_with_the_resolved_path(root: Path) -> None:
    toolbox = make_toolbox(root, allow_protected=["docs", "allowed.txt"])
    for path in (".env", "deploy.pem", "docs/plan.md"):
        make(root, path, KEY)
    (root / "allowed.txt").symlink_to("deploy.pem")
    for path in ("docs/../.env", "docs/../deploy.pem", "allowed.txt", str(root / "deploy.pem")):
        with pytest.raises(Protected):
            toolbox.run(Call("read_file", {"path": path}))
    assert "AAAA" in toolbox.run(Call("read_file", {"path": str(root / "docs" / "plan.md")}))


def test_umis_own_files_are_protected_in_a_workspace_around_them(tmp_path: Path, umi_home: Path) -> None:
    toolbox = make_toolbox(tmp_path)
    make(umi_home, "sessions/a.json", "{}")
    for path in ("umi-home/settings.json", "umi-home/notes.jsonl", "umi-home/undo/00000001"):
        with pytest.raises(Protected, match="umi itself"):
            toolbox.run(Call("write_file", {"path": path, "content": "{}"}))
    with pytest.raises(Protected):
        toolbox.run(Call("read_file", {"path": "umi-home/sessions/a.json"}))
    assert os.listdir(umi_home) == ["sessions"]


def test_random_paths_reach_no_protected_place(context: ToolContext, root: Path) -> None:
    """Paths of hostile parts, through links of every kind; then the tree is compared with what it was."""
    for path in (".git/config", ".ssh/id_rsa", ".env", "app/.env"):
        make(root, path)
    for path in (".github/workflows/ci.yml", ".bashrc"):
        make(root, path, "may be read\n")
    (root / "app" / "up").symlink_to("..")
    (root / "g").symlink_to(".git")
    (root / "app" / "s").symlink_to(root / ".ssh")
    (root / "e").symlink_to("app/../.env")
    (root / "loop").symlink_to("loop")
    (root.parent / "outside").mkdir()
    (root / "out").symlink_to("../outside")
    protected = {path: content for path, content in tree(root).items() if path.startswith((".", "app/."))}
    outside = root.parent / "outside"
    parts = sorted({part for path in (*CREDENTIALS, *OBEYED, *SPELLINGS) for part in path.split("/")})
    parts += [
        "..",
        ".",
        "",
        "app",
        "up",
        "g",
        "s",
        "e",
        "out",
        "loop",
        "~",
        "x\0",
        "x" * 300,
        "\udcff",
        str(root),
    ] * 3
    random = Random(14)
    refused = written = 0
    for _ in range(600):
        path = "/".join(random.choices(parts, k=random.randint(1, 5)))
        for name, more in (
            ("read_file", {}),
            ("write_file", {"content": "x"}),
            ("search_text", {"query": "t"}),
        ):
            try:
                assert "token=" not in ask(context, name, path=path, **more)
                written += name == "write_file"
            except ToolError as error:
                refused += isinstance(error, Protected)
    after = tree(root)
    assert {path: after.get(path) for path in protected} == protected
    assert not os.listdir(outside)
    made = [path for path, content in after.items() if content is not None and path not in protected]
    assert not {fold(path.rpartition("/")[2]) for path in made} & {"head", "id_rsa"}
    names = {fold(part) for path in made for part in path.split("/")}
    assert not names & {
        ".git",
        ".ssh",
        ".aws",
        ".vscode",
        ".env",
        ".env.local",
        ".bashrc",
        ".npmrc",
        ".netrc",
    }
    assert refused > 150
    assert written > 20


def test_an_empty_pattern_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match="--allow-protected"):
        make_toolbox(root, allow_protected=[""])
