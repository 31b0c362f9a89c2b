"""The paths of the shipped models and of the user's folders, and files read and written with care.

The environment variable `UMI_HOME`, where set, replaces every folder of the user. What is read is a regular
file of a bounded size; what is private is readable by its owner alone, whatever the umask is.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import platformdirs

_BUNDLES = Path(__file__).resolve().parent / "bundles"
SHIPPED = _BUNDLES / "umi-mini"
"""The bundle in the package that is whole."""
SHIPPED_DELTAS = _BUNDLES / "umi-135m"
"""The bundle in the package whose models are built over a base that has to be pulled."""
MAX_FILE_BYTES = 64 << 20
"""Of a settings file, a manifest or another file that is read whole; the largest in use have 1 MB."""


def data_folder() -> Path:
    """Return the folder of the user's models, notes and conversations. It need not exist."""
    home = os.environ.get("UMI_HOME")
    return Path(home).expanduser() if home else platformdirs.user_data_path("umi", appauthor=False)


def models_folder() -> Path:
    """Return the folder of the user's bundles, one folder each."""
    return data_folder() / "models"


def bases_folder() -> Path:
    """Return the folder of the bases that the user pulled, one folder each."""
    return models_folder() / "bases"


def notes_path() -> Path:
    """Return the file of notes that add_note and search_notes share."""
    return data_folder() / "notes.jsonl"


def sessions_path() -> Path:
    """Return the database of sessions."""
    return data_folder() / "sessions.db"


def undo_folder() -> Path:
    """Return the folder of what files held before tools wrote them."""
    return data_folder() / "undo"


def config_path() -> Path:
    """Return the file of the user's settings, which users edit too."""
    home = os.environ.get("UMI_HOME")
    folder = Path(home).expanduser() if home else platformdirs.user_config_path("umi", appauthor=False)
    return folder / "config.toml"


def permissions_path() -> Path:
    """Return the file of what the user allowed or forbade in advance, beside the config file."""
    return config_path().with_name("permissions.json")


def tools_folder() -> Path:
    """Return the folder of the user's own tools, Python files, beside the config file."""
    return config_path().with_name("tools")


def tool_servers_path() -> Path:
    """Return the file of the tool servers that the user runs (`mcpServers`), beside the config file."""
    return config_path().with_name("mcp.json")


def approved_tools_path() -> Path:
    """Return the file of the tools of servers that the user has seen and approved."""
    return config_path().with_name("mcp-approved.json")


def audit_path() -> Path:
    """Return the file to which every decision about a call is appended."""
    return data_folder() / "audit.jsonl"


def log_path() -> Path:
    """Return the log file that is written where the user names no other."""
    return data_folder() / "umi.log"


def cache_folder() -> Path:
    """Return the folder of what can be computed again: the prompt cache, measured thread counts."""
    home = os.environ.get("UMI_HOME")
    return Path(home).expanduser() / "cache" if home else platformdirs.user_cache_path("umi", appauthor=False)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace `path` by `content` in one step: a reader sees the old file or the new one, never a part.

    Missing parent folders are made; several processes may write the same file at once. Raise OSError where it
    cannot be written.
    """
    with replacing(path, path.with_name(f".{path.name}.{os.getpid()}")) as partial:
        partial.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def write_private(path: Path, *parts: str | bytes | memoryview) -> None:
    """Replace `path` in one step by a file that its owner alone can read; missing folders are made so too.

    The file holds `parts`, one after the other.

    Raise OSError where it cannot be written.
    """
    make_private_folder(path.parent)
    with replacing(path, path.with_name(f".{path.name}.{os.getpid()}")) as partial:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            for part in parts:
                file.write(part.encode("utf-8") if isinstance(part, str) else part)


def make_private_folder(path: Path) -> None:
    """Make the folder `path` and its missing parents for their owner alone. Raise OSError as mkdir does."""
    if path.is_dir():
        return
    make_private_folder(path.parent)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not path.is_dir():
            raise
    else:
        path.chmod(0o700)


def append_line(path: Path, line: bytes) -> None:
    """Append `line` and a line break to `path`, all of it or nothing, while no other process appends.

    A file that is made is readable by its owner alone, and its folder is made where there is none. A kill may
    cut off a long line, as Linux writes page by page; the next one then begins on a new line. Raise OSError
    where the file cannot be written, or is no regular one: what a pipe or /dev/null takes is not kept.
    """
    make_private_folder(path.parent)
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    with os.fdopen(handle, "r+b", buffering=0) as file:
        require_regular(handle, path, sys.maxsize)
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        rest = line + b"\n"
        if size and os.pread(handle, 1, size - 1) != b"\n":
            rest = b"\n" + rest
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except BaseException:
            file.truncate(size)
            raise


def is_locked(path: Path) -> bool:
    """Return whether a process holds a lock on a file or folder. Raise OSError where it cannot be opened."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def read_file(path: Path, limit: int = MAX_FILE_BYTES) -> bytes:
    """Return the bytes of a regular file: a FIFO is waited for without end, and /dev/zero fills the memory.

    Raise OSError where it is another kind of file, cannot be read, or has more than `limit` bytes.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except ValueError as error:  # a NUL in the name
        raise OSError(errno.EINVAL, str(error), str(path)) from None
    try:
        require_regular(descriptor, path, limit)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def require_regular(descriptor: int, path: Path, limit: int = MAX_FILE_BYTES) -> None:
    """Raise OSError where the open file `path` is not a regular one, or has more than `limit` bytes."""
    about = os.fstat(descriptor)
    if stat.S_ISDIR(about.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    if about.st_size > limit:
        raise OSError(errno.EFBIG, f"it has more than {limit} bytes", str(path))


def read_json(path: Path, limit: int = MAX_FILE_BYTES) -> Any:
    """Return the JSON value in a regular file. Raise OSError as `read_file`, ValueError as `parse_json`."""
    return parse_json(read_file(path, limit))


def parse_json(content: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raise ValueError where it is none, is nested too deeply, or holds NaN, infinity or half of a surrogate.
    """
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"it holds {text[:20]}, which is too large")
    return value


@contextmanager
def replacing(path: Path, partial: Path | None = None) -> Iterator[Path]:
    """Yield a path beside `path` for a new file or folder, which replaces `path` when the block ends.

    If the block raises, what it wrote is removed and `path` stays as it is. `partial` is NAME.part by
    default; what a killed process left there is removed first.
    """
    partial = partial or path.with_name(f"{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove(partial)
    try:
        yield partial
        if partial.is_dir():
            replace_folder(partial, path)
        else:
            partial.replace(path)
    finally:
        _remove(partial)


def replace_folder(new: Path, path: Path) -> None:
    """Rename the folder `new` to `path`. A folder that is there is removed after that.

    A process that is killed in between leaves it as .NAME.old, from where `restore_folder` takes it back.
    """
    old = path.with_name(f".{path.name}.old")
    _remove(old)
    if path.exists():
        path.rename(old)
    try:
        new.rename(path)
    except OSError:
        restore_folder(path)
        raise
    _remove(old)


def restore_folder(path: Path) -> None:
    """Put back the folder `path` where `replace_folder` was killed before the new one was in its place."""
    old = path.with_name(f".{path.name}.old")
    if old.is_dir() and not path.exists():
        old.rename(path)


def _remove(path: Path) -> None:
    """Remove a file or folder, if there is one and the system allows it."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hex. Raise OSError where it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
