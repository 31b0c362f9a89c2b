"""Protected places: what other programs run or obey by themselves, and files of credentials.

Names are compared as the most lenient file system would: in any case, in compatibility form, without
invisible characters, trailing dots and spaces, streams (`.git::$DATA`), and as short names (`GIT~1`).
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from agent.errors import ProtectedPathError
from agent.paths import cache_folder, config_path, data_folder
from agent.tools.lib.confinement.credential_links import CredentialLinks

_CREDENTIAL_FOLDERS = """
.ssh .gnupg .aws .azure .kube .password-store .config/gcloud .config/gh .config/rclone .config/op
.local/share/keyrings library/keychains
"""
_CREDENTIAL_FILES = """
.env .env.* .envrc .netrc _netrc .git-credentials .git/**config* .config/git/credentials .npmrc .yarnrc.yml
.pypirc .pgpass .my.cnf .htpasswd .boto .s3cfg .vault-token .terraformrc .docker/config.json
.cargo/credentials .cargo/credentials.toml .gem/credentials .huggingface/token .cache/huggingface/token
.m2/settings.xml credentials.json client_secret*.json service-account*.json
id_rsa id_dsa id_ecdsa id_ecdsa_sk id_ed25519 id_ed25519_sk *.ppk *.p12 *.pfx *.jks *.keystore *.kdbx
.bash_history .zsh_history .python_history .psql_history .mysql_history
"""
_HARMLESS_FILES = ".env.example .env.sample .env.template .env.dist"
_OBEYED_FOLDERS = """
.git .hg .svn .jj .husky .githooks .vscode .cursor .idea .zed .fleet .claude .devcontainer
.github/workflows .github/actions .gitea/workflows .forgejo/workflows .circleci .buildkite .woodpecker
.config/git .config/fish .config/nvim .config/tmux .config/autostart .config/systemd .config/environment.d
.local/bin .emacs.d .vim library/launchagents
"""
_OBEYED_FILES = """
head .mcp.json .gitconfig .pre-commit-config.yaml lefthook.yml *.code-workspace
hooks/pre-commit hooks/pre-merge-commit hooks/pre-push hooks/pre-rebase hooks/pre-receive hooks/pre-applypatch
hooks/pre-auto-gc hooks/post-commit hooks/post-checkout hooks/post-merge hooks/post-rewrite hooks/post-receive
hooks/post-update hooks/post-applypatch hooks/commit-msg hooks/prepare-commit-msg hooks/applypatch-msg
hooks/update .gitlab-ci.yml .travis.yml .drone.yml .woodpecker.yml .appveyor.yml appveyor.yml jenkinsfile
azure-pipelines.yml bitbucket-pipelines.yml
.bashrc .bash_profile .bash_login .bash_logout .bash_aliases .profile .zshrc .zprofile .zshenv .zlogin
.zlogout .kshrc .mkshrc .cshrc .tcshrc .login .logout .inputrc .pam_environment
.xinitrc .xprofile .xsession .xsessionrc
.vimrc .exrc .nvimrc .emacs .dir-locals.el .gdbinit .lldbinit .pdbrc .irbrc .rprofile .tmux.conf .screenrc
.curlrc .wgetrc .yarnrc
"""
"""A file called HEAD makes a folder with `objects` and `refs` a git repository, whose `config` git obeys."""

_PRIVATE_KEY = re.compile(
    rb"^[ \t]*(?:-----BEGIN (?:[A-Z0-9]{1,32} ){0,8}PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d)",
    re.MULTILINE,
)
"""The words are bounded: a line of a million of them took 400 MB to compare."""


class _Places:
    """Folders, with all that is in them, and files, by patterns of their last one or two names."""

    def __init__(self, folders: str, files: str) -> None:
        self._folders = _Names(folders)
        self._files = _Names(files)

    def find(self, parts: Sequence[str], outside: int) -> str:
        """Return the beginning of the path that is one of these places, or an empty string.

        The first `outside` parts lead to the workspace. Inside it, a folder with the hidden name of a
        protected file is none to write in either.
        """
        names = [fold(part) for part in parts]
        for end in range(1, len(names) + 1):
            is_file = end == len(names) or (end > outside and names[end - 1].startswith("."))
            if self._folders.match(names[:end]) or (is_file and self._files.match(names[:end])):
                return "/".join(parts[:end])
        return ""


class _Names:
    """Patterns of the end of a path: * stands for any text of one name, ** for any text."""

    def __init__(self, patterns: str) -> None:
        listed = patterns.split()
        self._plain = {pattern for pattern in listed if "*" not in pattern}
        # Of a name such as `.vscode`, file systems with short names make VSCODE~1.
        self._short = {re.sub(r"\W", "", name)[:6] for name in self._plain if "/" not in name}
        wild = [
            re.escape(pattern).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
            for pattern in listed
            if "*" in pattern
        ]
        self._wild = re.compile(f"(?:^|/)(?:{'|'.join(wild)})$" if wild else "(?!)", re.DOTALL)

    def match(self, names: Sequence[str]) -> bool:
        """Return whether the path of these folded names ends with one of the patterns."""
        short = re.fullmatch(r"(\w{1,6})~\d", names[-1])
        return (
            any("/".join(names[-count:]) in self._plain for count in (1, 2, 3))
            or (short is not None and short[1] in self._short)
            or self._wild.search("/".join(names)) is not None
        )


_CREDENTIALS = _Places(_CREDENTIAL_FOLDERS, _CREDENTIAL_FILES)
_OBEYED = _Places(_OBEYED_FOLDERS, _OBEYED_FILES)
_HARMLESS = _Names(_HARMLESS_FILES)


@lru_cache(maxsize=4096)
def fold(name: str) -> str:
    """Return the form in which names are compared."""
    if not name.isascii():
        name = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
        name = "".join(c for c in name if unicodedata.category(c) != "Cf" and not "\ufe00" <= c <= "\ufe0f")
    return name.lower().partition(":")[0].rstrip(". ")


class Protection:
    """The protected places in and around the workspace `root`, but for those that match a pattern `allowed`.

    A pattern is a path relative to the workspace, in which * and ? stand for any text; it allows what is in
    a folder that it names.
    """

    def __init__(self, root: Path, allowed: Iterable[str] = ()) -> None:
        self._root = root
        self._allowed = tuple(pattern.strip("/") for pattern in allowed)
        own = {folder.resolve() for folder in (data_folder(), config_path().parent, cache_folder())}
        # A workspace that is one of umi's own folders, or lies in one, was named by the user.
        inside = (folder for folder in own if folder != root and folder.is_relative_to(root))
        self._links = CredentialLinks(
            root, tuple(_CREDENTIAL_FOLDERS.split()), lambda file: bool(_CREDENTIALS.find(file.parts[1:], 0))
        )
        self._own = tuple([fold(part) for part in folder.parts] for folder in inside)

    def check_read(self, path: str) -> None:
        """Raise ProtectedPathError where `path`, resolved, relative to the workspace, holds credentials."""
        self._check(path, "reading", (_CREDENTIALS,), "it may hold passwords or keys")

    def check_write(self, path: str) -> None:
        """Raise ProtectedPathError where `path` holds credentials or what other programs obey."""
        self._check(path, "writing", (_CREDENTIALS, _OBEYED), "other programs run or trust what is in it")

    def check_repository(self, folder: int, path: str) -> None:
        """Raise ProtectedPathError where `path`, in the open `folder`, lies in a git repository's files."""
        if self._is_allowed(path):
            return
        for up in range(path.count("/") + 1):
            if all(_exists(f"{'../' * up}{name}", folder) for name in ("HEAD", "objects", "refs")):
                raise _refusal("writing", path, path, "it lies in a git repository, whose files git obeys")

    def check_content(self, path: str, data: bytes) -> None:
        """Raise ProtectedPathError where the content `data` of the file at `path` holds a private key."""
        if not self._is_allowed(path) and _PRIVATE_KEY.search(data):
            raise _refusal("reading", path, path, "it holds a private key")

    def check_link(self, path: str, status: os.stat_result) -> None:
        """Raise ProtectedPathError where the file at `path` is one of credentials under another name."""
        several = status.st_nlink > 1
        if several and not self._is_allowed(path) and self._links.find((status.st_dev, status.st_ino)):
            raise _refusal("reading", path, path, "it is a hard link to a file of passwords or keys")

    def _check(self, path: str, action: str, places: Sequence[_Places], why: str) -> None:
        if self._is_allowed(path):
            return
        file = self._root / path
        names = [fold(part) for part in file.parts]
        if any(names[: len(folder)] == folder for folder in self._own):
            raise _refusal(action, path, path, "it belongs to umi itself")
        parts = file.parts[1:]
        outside = len(self._root.parts) - 1
        if parts and _HARMLESS.match([fold(parts[-1])]) and not _CREDENTIALS.find(parts[:-1], outside):
            places = places[1:]
        for kind in places:
            if found := kind.find(parts, outside):
                inside = found.split("/")[outside:]
                raise _refusal(action, path, "/".join(inside) or "*", why)

    def _is_allowed(self, path: str) -> bool:
        parts = path.split("/")
        beginnings = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
        return any(fnmatchcase(beginning, pattern) for beginning in beginnings for pattern in self._allowed)


def _exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder)
    except OSError:
        return False
    return True


def _refusal(action: str, path: str, place: str, why: str) -> ProtectedPathError:
    return ProtectedPathError(
        f"{action} {path} is refused: {why}; the user can allow it with --allow-protected '{place}'"
    )
