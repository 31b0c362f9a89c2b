"""The files that tools may use: those of one folder, without what is protected in it."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from agent.errors import ToolError
from agent.tools.lib.confinement.listing import list_names, walk_files
from agent.tools.lib.confinement.protected import Protection
from agent.tools.lib.confinement.resolution import MAX_DEPTH, Confinement, Location
from agent.tools.lib.time_limit import check_time, committing
from agent.tools.undo.store import UndoStore, Write

MAX_READ = 4 * 1024 * 1024
"""Maximum number of bytes read of a file."""
BINARY_HEAD = 8192
"""Number of bytes by which a file is taken for text or binary."""
MAX_VISITED = 1_000_000
"""Maximum number of files and folders visited in a walk or counted in a folder."""

_CHUNK = 1024 * 1024
# Without O_NONBLOCK, opening a named pipe waits for a writer.
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Control characters that do not occur in text files; escape (0x1b) does, in coloured logs.
_BINARY_CHARACTERS = bytes({*range(32)} - {7, 8, 9, 10, 12, 13, 27})


_Version = tuple[int, ...]


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


class BinaryFileError(ToolError):
    """A file is read as text that holds none."""


class Workspace:
    """Access to the files below the folder `root` only. Raise InputError if `root` is not a folder.

    Paths are relative to the root, or absolute and inside it. All methods raise ToolError for a path that
    leads outside, does not exist, or is of the wrong kind, and ProtectedPathError for a protected place that
    matches no pattern of `allowed`. `undo` keeps what files held before a write; without it, nothing is kept.
    """

    def __init__(self, root: Path, *, allowed: Sequence[str] = (), undo: UndoStore | None = None) -> None:
        self._confinement = Confinement(root)
        self.root = self._confinement.root
        self._protection = Protection(self.root, allowed)
        self._undo = undo

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """Open the regular file at `path` for reading bytes."""
        with self._opened(path) as (_, file):
            yield file

    def read_text(self, path: str) -> tuple[str, bool]:
        """Return the text of a file, and whether it is complete (it ends at `MAX_READ` bytes)."""
        with self._opened(path) as (resolved, file):
            data = file.read(BINARY_HEAD)
            if is_binary(data):
                raise BinaryFileError(f"{path} is a binary file, not text")
            while len(data) <= MAX_READ and (more := file.read(min(_CHUNK, MAX_READ + 1 - len(data)))):
                check_time()
                data += more
        self._protection.check_content(resolved, data)
        complete = len(data) <= MAX_READ
        if not complete:
            data = data[: data.rfind(b"\n", 0, MAX_READ) + 1] or data[:MAX_READ]
        return data.decode("utf-8-sig", "replace").replace("\r\n", "\n"), complete

    def check_writable(self, file: Path) -> None:
        """Raise ProtectedPathError where `file`, a resolved path in the workspace, must not be written."""
        self._protection.check_write(file.relative_to(self.root).as_posix())

    def check_readable(self, file: Path, status: os.stat_result) -> None:
        """Raise ProtectedPathError where `file`, a resolved path in the workspace, must not be read."""
        path = file.relative_to(self.root).as_posix()
        self._protection.check_read(path)
        if stat.S_ISREG(status.st_mode):
            self._protection.check_link(path, status)

    def check_shown(self, name: str, data: bytes) -> None:
        """Raise ProtectedPathError where `data`, called `name`, holds a private key."""
        self._protection.check_content(name, data)

    def write_text(self, path: str, content: str) -> str:
        """Write a file atomically, creating missing folders; return its path relative to the workspace.

        The file is replaced: other names of the old one, hard links, keep what it held.
        """
        try:
            data = content.encode()
        except UnicodeEncodeError:
            raise ToolError("the content holds characters that cannot be written as UTF-8") from None
        return self.write_bytes(path, data)

    def write_bytes(
        self, path: str, data: bytes, *, mode: int | None = None, undoes: int | None = None
    ) -> str:
        """Write a file as `write_text` does.

        A file that exists keeps its mode; a new one is given `mode`, if it is not None. `undoes` is the id of
        the write that this one takes back.
        """
        if path.endswith("/"):
            self.entry(path)
            raise ToolError(f"{path or '.'} is a folder, not a file")
        with self._confinement.locate(path, create=True, check=self._protection.check_write) as location:
            try:
                _require_regular_file(location, path)
                self._protection.check_repository(location.folder, location.path)
                name = str(location.name)
                if location.mode and not os.access(name, os.W_OK, dir_fd=location.folder):
                    raise PermissionError
                with self._kept(location, hashlib.sha256(data).hexdigest(), undoes) as version:
                    new_mode = stat.S_IMODE(location.mode) if location.mode else mode
                    _replace(location, name, data, new_mode, version)
            except BaseException:
                for folder in reversed(location.made):
                    self.remove_empty_folder(folder)
                raise
            return location.path

    def remove(self, path: str, *, undoes: int | None = None) -> None:
        """Remove a file, if there is one."""
        with self._confinement.locate(path, check=self._protection.check_write) as location:
            _require_regular_file(location, path)
            with self._kept(location, None, undoes) as version, committing():
                _require_version(location, version)
                os.unlink(str(location.name), dir_fd=location.folder)

    def remove_empty_folder(self, path: str) -> None:
        """Remove a folder, if there is one and it is empty."""
        parent, _, name = path.rpartition("/")
        with suppress(ToolError), self._confinement.locate(parent or ".", "folder") as location:
            if location.name is None:
                os.rmdir(name, dir_fd=location.folder)

    def entry(self, path: str) -> Entry:
        """Return the file or folder at `path`."""
        with self._confinement.locate(path) as location:
            status = (
                os.fstat(location.folder)
                if location.name is None
                else os.stat(location.name, dir_fd=location.folder, follow_symlinks=False)
            )
            mode = status.st_mode
            return Entry(
                location.path, stat.S_ISDIR(mode), stat.S_ISREG(mode), status.st_size, status.st_mtime
            )

    def names(self, path: str | None = None) -> tuple[list[str], bool]:
        """Return the sorted names in a folder, folders with a slash, and whether these are all.

        Links are not followed. At most `MAX_VISITED` names are listed.
        """
        with self._confinement.locate(path or ".", "folder") as location:
            if location.name is not None:
                raise ToolError(f"{path} is a file, not a folder")
            return list_names(location.folder, MAX_VISITED)

    def files(self, path: str | None = None, most: int | None = None) -> tuple[list[str], bool]:
        """Return the paths of the regular files below a folder (or of one file), and whether these are all.

        What `walk_files` leaves out is left out, and at most `most` files and folders (`MAX_VISITED`) are
        visited.
        """
        with self._confinement.locate(path or ".") as location:
            if location.name is not None:
                return [location.path], True
            prefix = "" if location.path == "." else f"{location.path}/"
            return walk_files(location.folder, prefix, MAX_DEPTH - prefix.count("/"), most or MAX_VISITED)

    @contextmanager
    def _opened(self, path: str) -> Iterator[tuple[str, BinaryIO]]:
        """Open the regular file at `path`; yield its path relative to the workspace, and the file."""
        check_time()
        check = self._protection.check_read
        with self._confinement.locate(path, check=check) as location, _open_file(location, path) as file:
            self._protection.check_link(location.path, os.fstat(file.fileno()))
            yield location.path, file

    @contextmanager
    def _kept(self, location: Location, after: str | None, undoes: int | None) -> Iterator[_Version | None]:
        """Keep what the file at `location` holds while the block replaces or removes it.

        Yield the version that was kept, None if there is no file.
        """
        before = _version(location)
        if self._undo is None:
            yield before
            return
        mode = stat.S_IMODE(location.mode) if before else None
        write = Write(str(self.root), location.path, mode, after, location.made, undoes)
        with _open_file(location, location.path) if before else nullcontext() as old:
            kept = self._undo.keep(write, old)
        try:
            yield before
        except BaseException:
            self._undo.drop(kept)
            raise
        self._undo.confirm(kept)


def is_binary(data: bytes) -> bool:
    """Return whether the first 8 kB contain control characters that do not occur in text."""
    head = data[:BINARY_HEAD]
    return len(head.translate(None, _BINARY_CHARACTERS)) < len(head)


def _version(location: Location) -> _Version | None:
    """Return what differs where the file at `location` was replaced or changed, None if there is none."""
    try:
        status = os.stat(str(location.name), dir_fd=location.folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _require_version(location: Location, version: _Version | None) -> None:
    """Raise ToolError where the file at `location` is another one by now."""
    if _version(location) != version:
        raise ToolError(f"{location.path} was changed by another program at this moment; try again")


def _require_regular_file(location: Location, path: str) -> None:
    """Raise ToolError where there is something at `location` that is not a regular file."""
    if location.name is None:
        raise ToolError(f"{path or '.'} is a folder, not a file")
    if location.mode and not stat.S_ISREG(location.mode):
        raise ToolError(f"{path} is not a regular file")


@contextmanager
def _open_file(location: Location, path: str) -> Iterator[BinaryIO]:
    """Open the regular file at `location` for reading bytes."""
    _require_regular_file(location, path)
    descriptor = os.open(str(location.name), _FILE_FLAGS, dir_fd=location.folder)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ToolError(f"{path} is not a regular file")
        yield file


def _replace(location: Location, name: str, data: bytes, mode: int | None, version: _Version | None) -> None:
    """Write a temporary file in the same folder, with `mode` if given, then rename it to `name`.

    Raise ToolError where the file called `name` is no longer `version`.
    """
    temporary = f".umi-{secrets.token_hex(8)}"
    permissions = 0o666 if mode is None else mode & 0o777
    descriptor = os.open(temporary, _CREATE_FLAGS, permissions, dir_fd=location.folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), permissions)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with committing():
            _require_version(location, version)
            os.replace(temporary, name, src_dir_fd=location.folder, dst_dir_fd=location.folder)
    except BaseException:
        os.unlink(temporary, dir_fd=location.folder)
        raise
