"""The folder that tools are confined to, reached only through open directory handles.

A path is walked one component at a time from the workspace's own handle, never following a link blindly: a
link is read and its target walked in the same way, so nothing outside can be named, and nothing that is
swapped for a link in the meantime is followed.
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
"""Bytes of a file that are read into memory."""
MAX_VISITED = 20_000
"""Files and folders that a search looks at."""
MAX_DEPTH = 64
"""Folders within folders: each costs an open handle."""
MAX_PATH = 1000
"""Characters of a path."""
MAX_LINKS = 40
"""Links on the way to a file, as in the Linux kernel."""
SKIPPED = {"node_modules", "__pycache__", "venv"}
"""Folders that searches leave out, beside hidden ones."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a named pipe waits for a writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Control characters that text does not hold; escape (0x1b) is left out because logs are coloured with it.
_BINARY = bytes({*range(32)} - {7, 8, 9, 10, 12, 13, 27})


@dataclass(frozen=True)
class Entry:
    """A file or folder: its path from the workspace, size in bytes, time of change in seconds since 1970."""

    path: str
    is_folder: bool
    is_file: bool
    size: int
    changed: float


@dataclass(frozen=True)
class _Place:
    """Where a path leads: a name in an open folder (`mode` 0: not there yet), or the folder itself."""

    folder: int
    name: str | None
    mode: int
    path: str


class Workspace:
    """Access to the files under `root` and to nothing else. Raises InputError where `root` is no folder.

    Paths are relative to the root, or absolute inside it. All methods raise ToolError for a path that leads
    outside, does not exist, or is of the wrong kind.
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
        """The file at `path`, open for reading bytes."""
        with self._locate(path) as place:
            if place.name is None:
                raise ToolError(f"{path or '.'} is a folder, not a file")
            if not stat.S_ISREG(place.mode):
                raise ToolError(f"{path} is not a regular file")
            with os.fdopen(os.open(place.name, _FILE, dir_fd=place.folder), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise ToolError(f"{path} is not a regular file")
                yield file

    def read_text(self, path: str) -> tuple[str, bool]:
        """The text of a file, and whether that is all of it (long files stop at `MAX_READ` bytes)."""
        with self.open(path) as file:
            data = file.read(MAX_READ + 1)
        if is_binary(data):
            raise ToolError(f"{path} is a binary file, not text")
        whole = len(data) <= MAX_READ
        if not whole:
            data = data[: data.rfind(b"\n", 0, MAX_READ) + 1] or data[:MAX_READ]
        return data.decode("utf-8-sig", "replace").replace("\r\n", "\n"), whole

    def write_text(self, path: str, content: str) -> str:
        """Write a file whole or not at all, with the folders it needs; its path from the workspace."""
        try:
            data = content.encode()
        except UnicodeEncodeError:
            raise ToolError("the content holds characters that cannot be written as UTF-8") from None
        if path.endswith("/"):
            self.entry(path)
            raise ToolError(f"{path or '.'} is a folder, not a file")
        with self._locate(path, create=True) as place:
            if place.name is None:
                raise ToolError(f"{path or '.'} is a folder, not a file")
            if place.mode and not stat.S_ISREG(place.mode):
                raise ToolError(f"{path} is not a regular file")
            if place.mode and not os.access(place.name, os.W_OK, dir_fd=place.folder):
                raise PermissionError
            self._replace(place, place.name, data)
            return place.path

    def entry(self, path: str) -> Entry:
        """What is at `path`."""
        with self._locate(path) as place:
            found = (
                os.fstat(place.folder)
                if place.name is None
                else os.stat(place.name, dir_fd=place.folder, follow_symlinks=False)
            )
            return _entry(place.path, found)

    def entries(self, path: str | None = None) -> list[Entry]:
        """What a folder holds, sorted by name; at most `MAX_VISITED`. Links are not followed."""
        with self._folder(path or ".") as place:
            names: list[str] = []
            with os.scandir(place.folder) as listing:
                for item in listing:
                    names.append(item.name)
                    if len(names) == MAX_VISITED:
                        break
            found: list[Entry] = []
            for name in sorted(names, key=lambda name: (name.casefold(), name)):
                with suppress(FileNotFoundError):
                    seen = os.stat(name, dir_fd=place.folder, follow_symlinks=False)
                    found.append(_entry(name if place.path == "." else f"{place.path}/{name}", seen))
            return found

    def files(self, path: str | None = None) -> tuple[list[str], bool]:
        """The regular files under a folder (or that one file), and whether those are all.

        Hidden folders, `SKIPPED` ones and links are left out.
        """
        with self._locate(path or ".") as place:
            if place.name is not None:
                return [place.path], True
            found: list[str] = []
            visited = 0
            for top, folders, names, handle in os.fwalk(".", dir_fd=place.folder):
                inside = PurePosixPath(place.path, top)
                folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in SKIPPED)
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
    def _folder(self, path: str) -> Iterator[_Place]:
        with self._locate(path, "folder") as place:
            if place.name is not None:
                raise ToolError(f"{path} is a file, not a folder")
            yield place

    @contextmanager
    def _locate(self, path: str, noun: str = "file", *, create: bool = False) -> Iterator[_Place]:
        """Walk to `path`. With `create`, missing folders are made and the last name may be missing."""
        handles: list[int] = []
        try:
            if "\0" in path:
                raise ToolError("a path cannot hold a NUL character")
            if len(path) > MAX_PATH:
                raise ToolError(f"the path is longer than {MAX_PATH} characters")
            parts = self._inside(PurePosixPath(os.path.expanduser(path)), path)
            handles.append(os.open(self.root, _FOLDER))
            yield self._walk(path, parts, handles, create)
        except (FileNotFoundError, NotADirectoryError):
            raise ToolError(f"no such {noun}: {path}") from None
        except PermissionError:
            raise ToolError(f"no permission for {path}") from None
        except UnicodeEncodeError:
            raise ToolError("the path holds characters that no file name can") from None
        except OSError as error:
            raise ToolError(f"cannot use {path}: {(error.strerror or str(error)).lower()}") from None
        finally:
            for handle in handles:
                os.close(handle)

    def _walk(self, path: str, parts: list[str], handles: list[int], create: bool) -> _Place:
        """Go down `parts`; `handles` holds the open folders from the root to where the walk stands."""
        names: list[str] = []
        links = 0
        pending = parts[::-1]
        while pending:
            part = pending.pop()
            if part == "..":
                if not names:
                    raise ToolError(f"{path} is outside the workspace")
                names.pop()
                os.close(handles.pop())
                continue
            here = handles[-1]
            try:
                mode = os.stat(part, dir_fd=here, follow_symlinks=False).st_mode
            except FileNotFoundError:
                if not create or ".." in pending:
                    raise
                if not pending:
                    return _Place(here, part, 0, "/".join([*names, part]))
                os.mkdir(part, dir_fd=here)
                mode = stat.S_IFDIR
            if stat.S_ISLNK(mode):
                links += 1
                if links > MAX_LINKS:
                    raise ToolError(f"{path} goes through too many links")
                target = PurePosixPath(os.readlink(part, dir_fd=here))
                if target.is_absolute():
                    while names:
                        names.pop()
                        os.close(handles.pop())
                pending += self._inside(target, path)[::-1]
            elif stat.S_ISDIR(mode):
                if len(handles) > MAX_DEPTH:
                    raise ToolError(f"{path} is more than {MAX_DEPTH} folders deep")
                handles.append(os.open(part, _FOLDER, dir_fd=here))
                names.append(part)
            elif pending:
                raise NotADirectoryError
            else:
                return _Place(here, part, mode, "/".join([*names, part]))
        return _Place(handles[-1], None, stat.S_IFDIR, "/".join(names) or ".")

    def _inside(self, target: PurePosixPath, path: str) -> list[str]:
        """The components of `target`, from the root where it is absolute."""
        if not target.is_absolute():
            return list(target.parts)
        for root in (self.root, self._given):
            if target.is_relative_to(root):
                return list(target.relative_to(root).parts)
        raise ToolError(f"{path} is outside the workspace")

    def _replace(self, place: _Place, name: str, data: bytes) -> None:
        """Write beside the file, then take its place."""
        draft = f".umi-{secrets.token_hex(8)}"
        mode = stat.S_IMODE(place.mode) & 0o777 if place.mode else 0o666
        handle = os.open(draft, _NEW, mode, dir_fd=place.folder)
        try:
            with os.fdopen(handle, "wb") as file:
                if place.mode:
                    os.fchmod(file.fileno(), mode)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
        except BaseException:
            os.unlink(draft, dir_fd=place.folder)
            raise


def is_binary(data: bytes) -> bool:
    """Whether the first 8 kB hold control characters that text does not."""
    head = data[:8192]
    return len(head.translate(None, _BINARY)) < len(head)


def _entry(path: str, found: os.stat_result) -> Entry:
    mode = found.st_mode
    return Entry(path, stat.S_ISDIR(mode), stat.S_ISREG(mode), found.st_size, found.st_mtime)
