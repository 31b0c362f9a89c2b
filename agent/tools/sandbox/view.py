"""What confined code sees of the workspace: everything but what tools may not read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.errors import ProtectedPathError, ToolError
from agent.tools.lib.time_limit import check_time
from agent.tools.lib.workspace import Workspace

MAX_ENTRIES = 50_000
"""Files and folders of a workspace in which code is run, at most: each is looked at before."""


@dataclass(frozen=True)
class View:
    """The folder that code works in. `root` is its path, `hidden` what of it is not shown.

    `copy` is a folder with copies of its files, which the code may change in their place; None where it reads
    the files themselves.
    """

    root: Path
    hidden: tuple[Path, ...] = ()
    copy: Path | None = None


def view_of(workspace: Workspace) -> View:
    """Return the view of a workspace that is only read.

    Raise ToolError where the workspace is too large to be looked through, or the root of the file system.
    """
    require_confinable(workspace)
    return View(workspace.root, tuple(_hidden(workspace)))


def require_confinable(workspace: Workspace) -> None:
    """Raise ToolError where the workspace holds the system itself."""
    if workspace.root == Path("/"):
        raise ToolError("no code is run in the folder /; start umi in the folder of a project")


def _hidden(workspace: Workspace) -> Iterator[Path]:
    """Yield the files and folders that tools may not read; what is in such a folder is not listed."""
    pending = [workspace.root]
    count = 0
    while pending:
        check_time()
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                count += 1
                if count > MAX_ENTRIES:
                    raise ToolError(
                        f"the workspace has more than {MAX_ENTRIES} files and folders,"
                        " too many to run code in; start umi in a smaller folder"
                    )
                if entry.is_symlink():
                    continue  # what it leads to is hidden by its own name, or lies outside
                path = Path(entry.path)
                try:
                    workspace.check_readable(path, entry.stat(follow_symlinks=False))
                except ProtectedPathError:
                    yield path
                    continue
                except OSError:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path)


def is_regular(path: Path) -> bool:
    """Return whether there is a regular file at `path`, and no link."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
