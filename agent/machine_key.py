"""A secret key of this machine, and message authentication codes under it (HMAC-SHA256, RFC 2104).

Files that umi keeps for itself, and that would be harmful if someone else had written them, carry such a
code: states of llama.cpp are read as memory, and a file noted as tried is not tried again.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from agent.paths import data_folder, make_private_folder, read_file

CODE_BYTES = 32
_KEY_BYTES = 32

_log = logging.getLogger(__name__)


def authentication_code(purpose: str, *parts: bytes | memoryview) -> bytes | None:
    """Return the code of `parts` for `purpose`, CODE_BYTES long; None where this machine can keep no key."""
    key = _machine_key()
    if key is None:
        return None
    code = hmac.new(key, digestmod=hashlib.sha256)
    for part in (purpose.encode(), *parts):
        code.update(len(part).to_bytes(8, "little"))
        code.update(part)
    return code.digest()


def is_authentic(code: bytes | memoryview, purpose: str, *parts: bytes | memoryview) -> bool:
    """Return whether `code` is that of `parts` for `purpose`."""
    expected = authentication_code(purpose, *parts)
    return expected is not None and hmac.compare_digest(code, expected)


def key_path() -> Path:
    """Return the file of the key. It need not exist."""
    return data_folder() / "machine.key"


def _machine_key() -> bytes | None:
    """Return the key, which is made at the first use, and anew where others can read or write its file."""
    path = key_path()
    try:
        if os.path.lexists(path):
            if _is_private(path) and len(key := read_file(path, _KEY_BYTES)) == _KEY_BYTES:
                return key
            path.unlink()
        return _made(path)
    except OSError as error:
        _log.info("this machine has no key: %s", error)
        return None


def _is_private(path: Path) -> bool:
    about = path.lstat()
    return stat.S_ISREG(about.st_mode) and about.st_uid == os.geteuid() and not about.st_mode & 0o077


def _made(path: Path) -> bytes:
    """Write a new key and return it, or the one that another process wrote at the same time."""
    make_private_folder(path.parent)
    key = secrets.token_bytes(_KEY_BYTES)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        partial.unlink()
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(key)
        try:
            os.link(partial, path)  # fails where the other process was first
        except FileExistsError:
            return read_file(path, _KEY_BYTES)
    finally:
        partial.unlink()
    return key
