"""Confinement by Landlock: a process gives up every access that no rule grants (landlock(7)).

Landlock leaves some things open that `system_calls` closes: sockets other than TCP, modes and times of files.
Before its sixth version it leaves signals to other programs open, which nothing else closes.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from agent.tools.sandbox.system_paths import DEVICES, readable_paths
from agent.tools.sandbox.view import View

if TYPE_CHECKING:
    from landlockpy import AccessFS, Ruleset

OWN_TASKS = 1
"""`child.py`."""
LEAST_VERSION = 6


def landlock_problem() -> str:
    """Return why Landlock cannot confine code here, or an empty text."""
    if find_spec("landlockpy") is None:
        return "the package landlockpy is not installed (pip install 'umi-agent[code]')"
    from landlockpy import LandlockError, abi_version

    try:
        version = abi_version()
    except LandlockError as error:
        return f"Landlock fails: {error}"
    if version < LEAST_VERSION:
        return f"the kernel has Landlock {version}, and {LEAST_VERSION} is needed (Linux 6.12)"
    return ""


def make_ruleset(view: View, temporary: Path) -> Ruleset:
    """Return the rules for one run, which writes into `temporary` and into the copy of a view alone."""
    from landlockpy import AccessFS, Ruleset, Scope

    read = AccessFS.READ_FILE | AccessFS.EXECUTE
    special = AccessFS.MAKE_CHAR | AccessFS.MAKE_BLOCK | AccessFS.MAKE_SOCK | AccessFS.IOCTL_DEV
    rules = Ruleset(scoped=Scope.SIGNAL | Scope.ABSTRACT_UNIX_SOCKET)
    try:
        for path in readable_paths():
            _allow(rules, path, read)
        for device in DEVICES:
            rules.allow_path(device, AccessFS.READ_FILE | AccessFS.WRITE_FILE)
        for folder in (temporary, view.copy):
            if folder:
                rules.allow_path(folder, rules.handled_fs & ~special)
        if not view.copy:
            _cover(rules, view.root, frozenset(view.hidden), read)
    except BaseException:
        rules.close()
        raise
    return rules


def _allow(rules: Ruleset, path: Path, access: AccessFS) -> None:
    from landlockpy import AccessFS

    rules.allow_path(path, access | AccessFS.READ_DIR if path.is_dir() else access)


def _cover(rules: Ruleset, folder: Path, hidden: frozenset[Path], access: AccessFS) -> None:
    """Allow access to what is in a folder but for what is hidden, whose names can still be listed."""
    from landlockpy import AccessFS

    above = {parent for path in hidden for parent in path.parents}
    if folder not in above:
        _allow(rules, folder, access)
        return
    rules.allow_path(folder, AccessFS.READ_DIR)
    with os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            if entry.is_symlink() or path in hidden:
                continue
            if entry.is_dir(follow_symlinks=False):
                _cover(rules, path, hidden, access)
            elif entry.is_file(follow_symlinks=False):
                rules.allow_path(path, access)
