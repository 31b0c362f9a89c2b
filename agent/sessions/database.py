"""The connection to the database of sessions: one SQLite file for all workspaces, in WAL mode.

`synchronous` is NORMAL: what a transaction committed is with the operating system, so that no kill of the
process loses it; `flush` has it on the disk as well. Two processes wait for each other up to `BUSY_S`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.errors import UmiError, cannot_write
from agent.paths import make_private_folder, require_regular
from agent.sessions.schema import migrate

BUSY_S = 5.0
"""Seconds to wait for another process's transaction, which takes milliseconds."""
_SETTINGS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
)


class SessionsError(UmiError):
    """The database of sessions cannot be opened, read or written."""


def damaged(path: Path, why: str) -> SessionsError:
    """Return the error of a database that is damaged.

    Its -wal file holds what was written last, and SQLite deletes one that it finds beside a new database.
    """
    hint = f"move it away together with {path.name}-wal to begin anew; nothing in them was changed"
    return SessionsError(f"{path} is damaged: {why}", hint)


class Database:
    """An open database that several threads may use. Its file is readable by its owner alone.

    Raises SessionsError where the file cannot be opened or is damaged, InputError where it is of a newer
    version; the file is then left as it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            make_private_folder(path.parent)
            _make_private(path)
        except OSError as error:
            raise cannot_write(path, error) from None
        with self._errors():
            self._connection = sqlite3.connect(
                path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
        try:
            with self._errors():
                for setting in _SETTINGS:
                    self._connection.execute(setting)
                migrate(self._connection, path)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the connection. May be called twice."""
        with self._lock:
            self._connection.close()

    def read(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return all rows of a query. Raise SessionsError."""
        with self._lock, self._errors():
            return self._connection.execute(sql, values).fetchall()

    def stream(self, sql: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query as they are found. Raise SessionsError."""
        with self._lock, self._errors():
            yield from self._connection.execute(sql, values)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let every `read` in the block see the same state of the database. Raise SessionsError."""
        with self._lock, self._errors():
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("COMMIT")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Cursor]:
        """Yield a cursor whose changes are committed together where the block ends, else undone.

        Raise SessionsError.
        """
        with self._lock, self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.cursor()
                self._connection.execute("COMMIT")
            except BaseException:
                # A full disk may have ended the transaction already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def flush(self) -> None:
        """Have everything committed on the disk, as far as no other process reads older states."""
        with self._lock, self._errors():
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def compact(self) -> None:
        """Overwrite what was deleted, in the search indexes too, and give its space back to the disk."""
        with self._lock, self._errors():
            for index in ("search", "title_search"):
                self._connection.execute(f"INSERT INTO {index} ({index}) VALUES ('optimize')")
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise SQLite's errors as SessionsError, in one line with the next step."""
        try:
            yield
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "")
            if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
                raise damaged(self.path, str(error)) from None
            hint = {
                "SQLITE_FULL": "free space on that disk",
                "SQLITE_BUSY": "another umi is writing; try again",
            }.get(name, "see that you may write it and its folder")
            raise SessionsError(f"{self.path} cannot be used: {error}", hint) from None


def _make_private(path: Path) -> None:
    """Make a file for its owner alone where there is none, whatever the umask is; -wal and -shm follow it.

    Raise OSError where that fails, or another kind of file is there.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        descriptor = os.open(path, flags)
    else:
        os.fchmod(descriptor, 0o600)
    try:
        require_regular(descriptor, path, limit=1 << 62)
    finally:
        os.close(descriptor)
