"""The store of what files held before tools wrote them: one file a write, in the user's own folder.

A file is a line of JSON, which describes the write, and after it the old content, byte for byte. It is on the
disk before the file in the workspace is touched, under the name ID.pending, and called ID once the write is
made. Several processes may use one store.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from agent.errors import InputError, ToolError
from agent.paths import make_private_folder
from agent.tools.lib.dates import now
from agent.tools.lib.file_lock import lock
from agent.tools.lib.time_limit import check_time

MAX_BYTES = 256 * 1024 * 1024
"""Maximum size of a store; the oldest writes are dropped to keep it."""
MAX_WRITES = 1000
"""Maximum number of writes in a store."""
_PENDING = ".pending"
_CHUNK = 1024 * 1024
_MAX_HEADER = 64 * 1024
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Write:
    """One write of a file, as it is described in the store.

    `path` is relative to the workspace `root`. `mode` is that of the old file, None if there was none.
    `after` is the sha256 of what was written, None if the file was removed. `folders` were made for the file.
    `undoes` is the id of the write that this one took back. `time` is in ISO 8601 with a time zone. `pending`
    says that the process ended, or has not come to it yet, before it told that the write was made.
    """

    root: str
    path: str
    mode: int | None
    after: str | None
    folders: tuple[str, ...] = ()
    undoes: int | None = None
    id: int = 0
    time: str = ""
    pending: bool = True

    @property
    def file(self) -> Path:
        """The file that was written."""
        return Path(self.root, self.path)


class UndoStore:
    """The writes kept in `folder`, which is made when the first one is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, write: Write, old: BinaryIO | None) -> int:
        """Keep a write that is about to be made, with what `old` holds; return its id.

        A write that changes nothing is not kept, and its id is 0. When this returns, the old content is on
        the disk; call `confirm` when the write is made, `drop` when it fails. Raise ToolError where the
        content cannot be kept.
        """
        name = write.path
        try:
            size = os.fstat(old.fileno()).st_size if old else 0
            if size > MAX_BYTES:
                raise ToolError(
                    f"{name} has {size} bytes, more than undo can keep; move it away to write a new one"
                )
            with self._locked():
                made = replace(
                    write, id=max(self._ids(), default=0) + 1, time=now().isoformat(timespec="seconds")
                )
                header = json.dumps(asdict(made)).encode() + b"\n"
                self._make_room(len(header) + size)
                before = self._write(made.id, header, old)
                self._confirm_earlier(made, before)
                if before == made.after:
                    self.drop(made.id)
                    return 0
                return made.id
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ToolError(
                f"{name} is left as it is: its old content cannot be kept in {self.folder}: {reason}"
            ) from None

    def confirm(self, write_id: int) -> None:
        """Note that a write was made."""
        with suppress(OSError):
            self._pending(write_id).rename(self._file(write_id))

    def drop(self, write_id: int) -> None:
        """Forget a write, as one that was not made."""
        with suppress(OSError):
            self._pending(write_id).unlink()

    def writes(self) -> list[Write]:
        """Return the writes in the store, oldest first; damaged ones are left out."""
        return [write for write_id in sorted(self._ids()) if (write := self._read(write_id)) is not None]

    @contextmanager
    def open_old(self, write_id: int) -> Iterator[BufferedReader]:
        """Open the old content of a write for reading. Raise InputError where it cannot be read."""
        try:
            with self._open(write_id) as file:
                file.readline(_MAX_HEADER)
                yield file
        except OSError as error:
            raise InputError(
                f"the old content of write {write_id} cannot be read: {error.strerror}",
                "see the others with `umi undo --list`",
            ) from None

    def _file(self, write_id: int) -> Path:
        return self.folder / f"{write_id:08}"

    def _pending(self, write_id: int) -> Path:
        return self.folder / f"{write_id:08}{_PENDING}"

    def _open(self, write_id: int) -> BufferedReader:
        # In this order: a pending file may be confirmed by its process at any moment.
        try:
            return self._pending(write_id).open("rb")
        except FileNotFoundError:
            return self._file(write_id).open("rb")

    def _ids(self) -> list[int]:
        try:
            names = [name.removesuffix(_PENDING) for name in os.listdir(self.folder)]
        except FileNotFoundError:
            return []
        return [int(name) for name in names if name.isascii() and name.isdigit()]

    def _read(self, write_id: int) -> Write | None:
        try:
            with self._open(write_id) as file:
                row = json.loads(file.readline(_MAX_HEADER))
                pending = file.name.endswith(_PENDING)
            write = Write(**row | {"folders": tuple(row["folders"]), "pending": pending})
            return write if write.id == write_id else None
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def _write(self, write_id: int, header: bytes, old: BinaryIO | None) -> str | None:
        """Write a file of the store; return the sha256 of the old content, None if there is none."""
        digest = hashlib.sha256()
        partial = self.folder / ".partial"
        try:
            with os.fdopen(os.open(partial, _FLAGS, 0o600), "wb") as file:
                file.write(header)
                while old and (data := old.read(_CHUNK)):
                    check_time()
                    if file.tell() > MAX_BYTES:
                        raise OSError(errno.EFBIG, "it grows while it is read")
                    digest.update(data)
                    file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._pending(write_id))
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return digest.hexdigest() if old else None

    def _confirm_earlier(self, write: Write, before: str | None) -> None:
        """Confirm the last write of the same file where the file holds what that one wrote."""
        if sum(name.endswith(_PENDING) for name in os.listdir(self.folder)) == 1:
            return
        for earlier in reversed(self.writes()):
            if earlier.id != write.id and earlier.file == write.file:
                if earlier.pending and earlier.after == before:
                    self.confirm(earlier.id)
                return

    def _make_room(self, size: int) -> None:
        """Drop the oldest writes until one that takes `size` bytes fits."""
        sizes: dict[int, int] = {}
        for write_id in sorted(self._ids()):
            with suppress(OSError), self._open(write_id) as file:
                sizes[write_id] = os.fstat(file.fileno()).st_size
        for write_id in list(sizes):
            if sum(sizes.values()) + size <= MAX_BYTES and len(sizes) < MAX_WRITES:
                break
            self._pending(write_id).unlink(missing_ok=True)
            self._file(write_id).unlink(missing_ok=True)
            del sizes[write_id]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        make_private_folder(self.folder)
        self.folder.chmod(0o700)
        with os.fdopen(os.open(self.folder / ".lock", _FLAGS, 0o600), "wb") as file:
            lock(file)
            yield
