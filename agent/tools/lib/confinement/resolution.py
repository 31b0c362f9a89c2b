"""Resolution of paths inside one folder by open directory descriptors.

A path is resolved one component at a time, each relative to the descriptor of its parent and with O_NOFOLLOW.
A symbolic link is read and its target resolved in the same way, so that no path leads outside the folder, and
a component replaced by a link during the resolution is not followed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from agent.errors import InputError, ToolError

MAX_DEPTH = 64
"""Maximum depth of folders; each level costs an open descriptor."""
MAX_PATH = 1000
"""Maximum length of a path in characters."""
MAX_LINKS = 40
"""Maximum number of symbolic links followed in a path, as in the Linux kernel."""
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

Check = Callable[[str], None]
"""Raises ToolError for a resolved path, relative to the root, that may not be used."""


@dataclass(frozen=True)
class Location:
    """A resolved path: `name` in the open folder descriptor `folder`, or the folder itself if `name` is None.

    `mode` is 0 if nothing is called `name` yet. `made` are the folders that were created on the way.
    """

    folder: int
    name: str | None
    mode: int
    path: str
    made: tuple[str, ...] = ()


class Confinement:
    """The folder `root`, inside which paths are resolved. Raise InputError if `root` is not a folder."""

    def __init__(self, root: Path) -> None:
        hint = "name a folder that exists with --workspace"
        try:
            root = Path(root).expanduser()
            self.root = root.resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            raise InputError(f"the workspace {root} does not exist", hint) from None
        if not self.root.is_dir():
            raise InputError(f"the workspace {root} is not a folder", hint)
        self._given = Path(os.path.abspath(root))

    @contextmanager
    def locate(
        self, path: str, noun: str = "file", *, create: bool = False, check: Check | None = None
    ) -> Iterator[Location]:
        """Resolve `path`; its descriptors are closed on exit. Turn system errors into ToolError.

        With `create`, missing folders are created and the last component may be missing. `check` is called
        with the resolved path before anything is created, and with the path of each link on the way.
        """
        descriptors: list[int] = []
        try:
            if "\0" in path:
                raise ToolError("a path cannot hold a NUL character")
            if len(path) > MAX_PATH:
                raise ToolError(f"the path is longer than {MAX_PATH} characters")
            parts = self._components(PurePosixPath(os.path.expanduser(path)), path)
            descriptors.append(os.open(self.root, FOLDER_FLAGS))
            location = self._resolve(path, parts, descriptors, create, check)
            if check is not None:
                check(location.path)
            yield location
        except (FileNotFoundError, NotADirectoryError):
            raise ToolError(f"no such {noun}: {path}") from None
        except PermissionError:
            raise ToolError(f"no permission for {path}") from None
        except UnicodeEncodeError:
            raise ToolError("the path holds characters that no file name can") from None
        except OSError as error:
            raise ToolError(f"cannot use {path}: {(error.strerror or str(error)).lower()}") from None
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _resolve(
        self, path: str, parts: list[str], descriptors: list[int], create: bool, check: Check | None
    ) -> Location:
        """Resolve `parts`; `descriptors` is the stack of open folders from the root to the current one."""
        names: list[str] = []
        made: list[str] = []
        links = 0
        pending = parts[::-1]
        while pending:
            part = pending.pop()
            if part == "..":
                if not names:
                    raise ToolError(f"{path} is outside the workspace")
                names.pop()
                os.close(descriptors.pop())
                continue
            parent = descriptors[-1]
            try:
                mode = os.stat(part, dir_fd=parent, follow_symlinks=False).st_mode
            except FileNotFoundError:
                if not create or ".." in pending:
                    raise
                if not pending:
                    return Location(parent, part, 0, "/".join([*names, part]), tuple(made))
                if check is not None:
                    check("/".join([*names, part, *pending[::-1]]))
                os.mkdir(part, dir_fd=parent)
                made.append("/".join([*names, part]))
                mode = stat.S_IFDIR
            if stat.S_ISLNK(mode):
                links += 1
                if links > MAX_LINKS:
                    raise ToolError(f"{path} goes through too many links")
                if check is not None:  # a link called .git may lead to a folder of another name
                    check("/".join([*names, part, *(() if ".." in pending else pending[::-1])]))
                target = PurePosixPath(os.readlink(part, dir_fd=parent))
                if target.is_absolute():
                    while names:
                        names.pop()
                        os.close(descriptors.pop())
                pending += self._components(target, path)[::-1]
            elif stat.S_ISDIR(mode):
                if len(descriptors) > MAX_DEPTH:
                    raise ToolError(f"{path} is more than {MAX_DEPTH} folders deep")
                descriptors.append(os.open(part, FOLDER_FLAGS, dir_fd=parent))
                names.append(part)
            elif pending:
                raise NotADirectoryError
            else:
                return Location(parent, part, mode, "/".join([*names, part]), tuple(made))
        return Location(descriptors[-1], None, stat.S_IFDIR, "/".join(names) or ".", tuple(made))

    def _components(self, target: PurePosixPath, path: str) -> list[str]:
        """Return the components of `target`, relative to the root if it is absolute."""
        if not target.is_absolute():
            return list(target.parts)
        for root in (self.root, self._given):
            if target.is_relative_to(root):
                return list(target.relative_to(root).parts)
        raise ToolError(f"{path} is outside the workspace")
