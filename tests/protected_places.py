"""Protected places and ways to spell them, a private key, and the making and reading of files for tests."""

from __future__ import annotations

from pathlib import Path

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
    "tools/hooks/post-merge",
    ".githooks/pre-push",
    ".vscode/tasks.json",
    ".cursor/mcp.json",
    ".mcp.json",
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
    ".forgejo/workflows/ci.yml",
    "Jenkinsfile",
    ".claude/settings.json",
    ".local/bin/ls",
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


def make(root: Path, path: str, content: str = "token=secret\n") -> None:
    """Write a file, and the folders that it lies in."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(content)


def tree(root: Path) -> dict[str, bytes | None]:
    """What each file holds, by path; None for folders."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in root.rglob("*")
    }
