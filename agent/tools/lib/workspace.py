"""Confinement of file access to one folder by open directory descriptors.

A path is resolved one component at a time, each relative to the descriptor of its parent and with O_NOFOLLOW.
A symbolic link is read and its target resolved in the same way, so that no path leads outside the folder, and
a component replaced by a link during the resolution is not followed.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from agent.errors import InputError, ToolError

MAX_READ = 4 * 1024 * 1024
"""Maximum number of bytes read of a file."""
MAX_VISITED = 20_000
"""Maximum number of files and folders visited in a walk."""
MAX_DEPTH = 64
"""Maximum depth of folders; each level costs an open descriptor."""
MAX_PATH = 1000
"""Maximum length of a path in characters."""
MAX_LINKS = 40
"""Maximum number of symbolic links followed in a path, as in the Linux kernel."""
SKIPPED_FOLDERS = {"node_modules", "__pycache__", "venv"}
"""Folders that walks do not enter, in addition to hidden ones."""

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a named pipe waits for a writer.
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Control characters that do not occur in text files; escape (0x1b) does, in coloured logs.
_BINARY_CHARACTERS = bytes({*range(32)} - {7, 8, 9, 10, 12, 13, 27})


@dataclass(frozen=True)
class Entry:
    """A file or folder.

    `path` is relative to the workspace, `size` in bytes, `changed` in seconds since 1970-01-01 UTC.
    """

    path: str
    is_folder: bool
    is_file: bool
    size: int
    changed: float


@dataclass(frozen=True)
class _Location:
    """A resolved path: `name` in the open folder descriptor `folder`, or the folder itself if `name` is None.

    `mode` is 0 if nothing is called `name` yet.
    """

    folder: int
    name: str | None
    mode: int
    path: str


class Workspace:
    """Access to the files below the folder `root` only. Raise InputError if `root` is not a folder.

    Paths are relative to the root, or absolute and inside it. All methods raise ToolError for a path that
    leads outside, does not exist, or is of the wrong kind.
    """

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
    def open(self, path: str) -> Iterator[BinaryIO]:
        """Open the regular file at `path` for reading bytes."""
        with self._locate(path) as location:
            if location.name is None:
                raise ToolError(f"{path or '.'} is a folder, not a file")
            if not stat.S_ISREG(location.mode):
                raise ToolError(f"{path} is not a regular file")
            with os.fdopen(os.open(location.name, _FILE_FLAGS, dir_fd=location.folder), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise ToolError(f"{path} is not a regular file")
                yield file

    def read_text(self, path: str) -> tuple[str, bool]:
        """Return the text of a file, and whether it is complete (it ends at `MAX_READ` bytes)."""
        with self.open(path) as file:
            data = file.read(MAX_READ + 1)
        if is_binary(data):
            raise ToolError(f"{path} is a binary file, not text")
        complete = len(data) <= MAX_READ
        if not complete:
            data = data[: data.rfind(b"\n", 0, MAX_READ) + 1] or data[:MAX_READ]
        return data.decode("utf-8-sig", "replace").replace("\r\n", "\n"), complete

    def write_text(self, path: str, content: str) -> str:
        """Write a file atomically, creating missing folders; return its path relative to the workspace."""
        try:
            data = content.encode()
        except UnicodeEncodeError:
            raise ToolError("the content holds characters that cannot be written as UTF-8") from None
        if path.endswith("/"):
            self.entry(path)
            raise ToolError(f"{path or '.'} is a folder, not a file")
        with self._locate(path, create=True) as location:
            if location.name is None:
                raise ToolError(f"{path or '.'} is a folder, not a file")
            if location.mode and not stat.S_ISREG(location.mode):
                raise ToolError(f"{path} is not a regular file")
            if location.mode and not os.access(location.name, os.W_OK, dir_fd=location.folder):
                raise PermissionError
            self._replace(location, location.name, data)
            return location.path

    def entry(self, path: str) -> Entry:
        """Return the file or folder at `path`."""
        with self._locate(path) as location:
            status = (
                os.fstat(location.folder)
                if location.name is None
                else os.stat(location.name, dir_fd=location.folder, follow_symlinks=False)
            )
            return _entry(location.path, status)

    def entries(self, path: str | None = None) -> list[Entry]:
        """Return the entries of a folder, sorted by name, at most `MAX_VISITED`. Links are not followed."""
        with self._open_folder(path or ".") as location:
            names: list[str] = []
            with os.scandir(location.folder) as listing:
                for item in listing:
                    names.append(item.name)
                    if len(names) == MAX_VISITED:
                        break
            found: list[Entry] = []
            for name in sorted(names, key=lambda name: (name.casefold(), name)):
                with suppress(FileNotFoundError):
                    status = os.stat(name, dir_fd=location.folder, follow_symlinks=False)
                    found.append(_entry(name if location.path == "." else f"{location.path}/{name}", status))
            return found

    def files(self, path: str | None = None) -> tuple[list[str], bool]:
        """Return the paths of the regular files below a folder (or of one file), and whether these are all.

        Hidden folders, `SKIPPED_FOLDERS` and links are left out.
        """
        with self._locate(path or ".") as location:
            if location.name is not None:
                return [location.path], True
            found: list[str] = []
            visited = 0
            for top, folders, names, handle in os.fwalk(".", dir_fd=location.folder):
                inside = PurePosixPath(location.path, top)
                folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in SKIPPED_FOLDERS)
                if len(inside.parts) >= MAX_DEPTH:
                    folders.clear()
                for name in sorted(names):
                    visited += 1
                    if visited > MAX_VISITED:
                        return found, False
                    with suppress(FileNotFoundError):
                        if stat.S_ISREG(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode):
                            found.append(str(inside / name))
                visited += len(folders)
                if visited > MAX_VISITED:
                    return found, False
            return found, True

    @contextmanager
    def _open_folder(self, path: str) -> Iterator[_Location]:
        with self._locate(path, "folder") as location:
            if location.name is not None:
                raise ToolError(f"{path} is a file, not a folder")
            yield location

    @contextmanager
    def _locate(self, path: str, noun: str = "file", *, create: bool = False) -> Iterator[_Location]:
        """Resolve `path`; its descriptors are closed on exit. Turn system errors into ToolError.

        With `create`, missing folders are created and the last component may be missing.
        """
        descriptors: list[int] = []
        try:
            if "\0" in path:
                raise ToolError("a path cannot hold a NUL character")
            if len(path) > MAX_PATH:
                raise ToolError(f"the path is longer than {MAX_PATH} characters")
            parts = self._components(PurePosixPath(os.path.expanduser(path)), path)
            descriptors.append(os.open(self.root, _FOLDER_FLAGS))
            yield self._resolve(path, parts, descriptors, create)
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

    def _resolve(self, path: str, parts: list[str], descriptors: list[int], create: bool) -> _Location:
        """Resolve `parts`; `descriptors` is the stack of open folders from the root to the current one."""
        names: list[str] = []
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
                    return _Location(parent, part, 0, "/".join([*names, part]))
                os.mkdir(part, dir_fd=parent)
                mode = stat.S_IFDIR
            if stat.S_ISLNK(mode):
                links += 1
                if links > MAX_LINKS:
                    raise ToolError(f"{path} goes through too many links")
                target = PurePosixPath(os.readlink(part, dir_fd=parent))
                if target.is_absolute():
                    while names:
                        names.pop()
                        os.close(descriptors.pop())
                pending += self._components(target, path)[::-1]
            elif stat.S_ISDIR(mode):
                if len(descriptors) > MAX_DEPTH:
                    raise ToolError(f"{path} is more than {MAX_DEPTH} folders deep")
                descriptors.append(os.open(part, _FOLDER_FLAGS, dir_fd=parent))
                names.append(part)
            elif pending:
                raise NotADirectoryError
            else:
                return _Location(parent, part, mode, "/".join([*names, part]))
        return _Location(descriptors[-1], None, stat.S_IFDIR, "/".join(names) or ".")

    def _components(self, target: PurePosixPath, path: str) -> list[str]:
        """Return the components of `target`, relative to the root if it is absolute."""
        if not target.is_absolute():
            return list(target.parts)
        for root in (self.root, self._given):
            if target.is_relative_to(root):
                return list(target.relative_to(root).parts)
        raise ToolError(f"{path} is outside the workspace")

    def _replace(self, location: _Location, name: str, data: bytes) -> None:
        """Write a temporary file in the same folder, then rename it to `name`."""
        temporary = f".umi-{secrets.token_hex(8)}"
        mode = stat.S_IMODE(location.mode) & 0o777 if location.mode else 0o666
        descriptor = os.open(temporary, _CREATE_FLAGS, mode, dir_fd=location.folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if location.mode:
                    os.fchmod(file.fileno(), mode)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, name, src_dir_fd=location.folder, dst_dir_fd=location.folder)
        except BaseException:
            os.unlink(temporary, dir_fd=location.folder)
            raise


def is_binary(data: bytes) -> bool:
    """Return whether the first 8 kB contain control characters that do not occur in text."""
    head = data[:8192]
    return len(head.translate(None, _BINARY_CHARACTERS)) < len(head)


def _entry(path: str, status: os.stat_result) -> Entry:
    mode = status.st_mode
    return Entry(path, stat.S_ISDIR(mode), stat.S_ISREG(mode), status.st_size, status.st_mtime)
