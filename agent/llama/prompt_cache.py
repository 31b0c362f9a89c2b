"""States of tool lists on disk, so that a new process does not read them again.

A file is a sha256 of the state and then the state; its name is a hash of all that the state depends on. What
is damaged is removed, and what was not used for longest goes first when the folder grows too large. Nothing
here may fail a question: a state that cannot be kept or found is computed.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from agent.paths import cache_folder, write_atomically

FORMAT = 1
LARGEST_BYTES = 1 << 30
"""Of all states together: some fifty tool lists of 1,500 tokens for a 0.5B model."""
_LARGEST_PART = 4
"""One state takes at most this part of the folder: a long tool list does not drive out all others."""
_STALE_SECONDS = 3600
"""A partial file of that age was left by a process that was killed."""
_DIGEST = hashlib.sha256().digest_size
_SUFFIX = ".state"

_log = logging.getLogger(__name__)


def prompt_cache_key(model_sha256: str, ids: Sequence[int], *settings: object) -> str:
    """The name of a state: of the model, the tokens, the cache's settings and the build of llama.cpp."""
    build = version("llama-cpp-python")
    text = "\n".join(map(str, (FORMAT, build, model_sha256, *settings, ",".join(map(str, ids)))))
    return hashlib.sha256(text.encode()).hexdigest()


class PromptCache:
    """The states in a folder; nothing is created before the first is kept."""

    def __init__(self, folder: Path | None = None, *, largest_bytes: int = LARGEST_BYTES) -> None:
        self._folder = folder or cache_folder() / "states"
        self._largest = largest_bytes

    def get(self, key: str) -> bytes | None:
        """The state kept under `key`; None where there is none or it is damaged."""
        path = self._path(key)
        try:
            content = path.read_bytes()
            state = content[_DIGEST:]
            if hashlib.sha256(state).digest() != content[:_DIGEST]:
                _log.info("%s is damaged and computed anew", path)
                self.drop(key)
                return None
        except OSError:
            return None
        try:
            os.utime(path)
        except OSError as error:
            _log.info("the use of a state was not noted: %s", error)
        return state

    def usage(self) -> tuple[int, int]:
        """How many states are kept, and their bytes."""
        sizes = []
        for path in self._folder.glob(f"*{_SUFFIX}"):
            try:
                sizes.append(path.stat().st_size)
            except OSError:  # removed by another process
                continue
        return len(sizes), sum(sizes)

    def put(self, key: str, state: bytes) -> None:
        """Keep `state`, unless it is larger than a quarter of what is kept of all together."""
        if _DIGEST + len(state) > self._largest // _LARGEST_PART:
            return
        try:
            self._make_room(_DIGEST + len(state))
            write_atomically(self._path(key), hashlib.sha256(state).digest() + state)
        except OSError as error:
            _log.info("a state was not kept: %s", error)

    def drop(self, key: str) -> None:
        """Forget what is kept under `key`."""
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError as error:
            _log.info("a state was not removed: %s", error)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{_SUFFIX}"

    def _make_room(self, size: int) -> None:
        kept = []
        stale = time.time() - _STALE_SECONDS
        for path in self._folder.glob(f".*{_SUFFIX}.*"):
            if path.stat().st_mtime < stale:
                path.unlink(missing_ok=True)
        for path in self._folder.glob(f"*{_SUFFIX}"):
            about = path.stat()
            kept.append((about.st_mtime_ns, about.st_size, path))
        total = size + sum(each for _, each, _ in kept)
        for _, each, path in sorted(kept):
            if total <= self._largest:
                return
            path.unlink(missing_ok=True)
            total -= each
