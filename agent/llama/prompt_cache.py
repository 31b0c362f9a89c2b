"""The prompt cache: states of tool lists and conversations on disk, so that no process reads them again.

A file is a code under this machine's key followed by the state; its name is a hash of all that the state
depends on. llama.cpp reads a state as its own memory, so one that somebody else wrote is never given to it.
Damaged and forged files are removed, and the least recently used ones when the folder grows too large.
A state tells what was said, so its owner alone can read it. Processes share the folder: a file is replaced in
one step, and one that another process removed is computed.
Nothing here may fail a question: a state that cannot be kept or found is computed.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from agent.machine_key import CODE_BYTES, authentication_code, is_authentic
from agent.paths import cache_folder, read_file, write_private

FORMAT = 3
MAX_BYTES = 1 << 30
"""Of all states together: about fifty tool lists of 1,500 tokens for a 0.5B model."""
_MAX_SHARE = 4
"""One state takes at most 1/4 of the folder, so that a long tool list does not evict all others."""
_STALE_SECONDS = 3600
"""A partial file of this age was left by a process that was killed."""
_FAMILY = 16
"""Hexadecimal digits of `_family` in a key."""
_PURPOSE = "prompt cache"
_SUFFIX = ".state"

_log = logging.getLogger(__name__)


def prompt_cache_key(model_sha256: str, ids: Sequence[int], *settings: object) -> str:
    """Return the key of a state: a hash of model, tokens, the context's settings and llama.cpp's version.

    It begins with `_family` and the number of tokens, by which `PromptPrefixes` looks for it.
    """
    family = _family(model_sha256, *settings)
    tokens = hashlib.sha256(family.encode() + array("i", ids).tobytes()).hexdigest()
    return f"{family[:_FAMILY]}-{len(ids)}-{tokens}"


def _family(model_sha256: str, *settings: object) -> str:
    """Return a hash of all that a state depends on but its tokens."""
    text = "\n".join(map(str, (FORMAT, version("llama-cpp-python"), model_sha256, *settings)))
    return hashlib.sha256(text.encode()).hexdigest()


class PromptCache:
    """The states in a folder, which is created with the first one."""

    def __init__(self, folder: Path | None = None, *, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder or cache_folder() / "states"
        self._max_bytes = max_bytes

    def get(self, key: str) -> memoryview | None:
        """Return the state of `key`; None where there is none or it is not one that this machine wrote."""
        path = self._path(key)
        try:
            content = memoryview(read_file(path, self._max_bytes // _MAX_SHARE))
            code, state = content[:CODE_BYTES], content[CODE_BYTES:]
            if not is_authentic(code, _PURPOSE, key.encode(), state):
                _log.info("%s is damaged or forged and will be computed again", path)
                self.drop(key)
                return None
        except OSError:
            return None
        try:
            os.utime(path)
        except OSError as error:
            _log.info("the time of use of a state was not recorded: %s", error)
        return state

    def usage(self) -> tuple[int, int]:
        """Return the number of states and their bytes."""
        sizes = []
        for path in self._folder.glob(f"*{_SUFFIX}"):
            try:
                sizes.append(path.stat().st_size)
            except OSError:  # removed by another process
                continue
        return len(sizes), sum(sizes)

    def keys(self, beginning: str = "") -> Iterator[str]:
        """Yield the keys of the states that begin so."""
        return (path.stem for path in self._folder.glob(f"{beginning}*{_SUFFIX}"))

    def put(self, key: str, state: bytes | memoryview) -> None:
        """Store `state`, unless it is larger than a quarter of the folder's limit."""
        if CODE_BYTES + len(state) > self._max_bytes // _MAX_SHARE:
            return
        code = authentication_code(_PURPOSE, key.encode(), state)
        if code is None:
            return
        try:
            self._evict(CODE_BYTES + len(state))
            write_private(self._path(key), code, state)
        except OSError as error:
            _log.info("a state was not kept: %s", error)

    def drop(self, key: str) -> None:
        """Remove the state of `key`, if there is one."""
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError as error:
            _log.info("a state was not removed: %s", error)

    def clear(self) -> None:
        """Remove all states."""
        for key in list(self.keys()):
            self.drop(key)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{_SUFFIX}"

    def _evict(self, size: int) -> None:
        kept = []
        stale = time.time() - _STALE_SECONDS
        for path in self._folder.glob(f".*{_SUFFIX}.*"):
            with suppress(FileNotFoundError):  # as below: another process was first
                if path.stat().st_mtime < stale:
                    path.unlink()
        for path in self._folder.glob(f"*{_SUFFIX}"):
            with suppress(FileNotFoundError):
                about = path.stat()
                kept.append((about.st_mtime_ns, about.st_size, path))
        total = size + sum(each for _, each, _ in kept)
        for _, each, path in sorted(kept):
            if total <= self._max_bytes:
                return
            path.unlink(missing_ok=True)
            total -= each


class PromptPrefixes:
    """The states of one model's prompts in a cache: the longest one that a prompt begins with is found."""

    def __init__(self, cache: PromptCache, model_sha256: str, *settings: object) -> None:
        """`settings` are those of the context that a state depends on."""
        self._cache = cache
        self._model = model_sha256
        self._settings = settings
        self._family = _family(model_sha256, *settings)[:_FAMILY]

    def longest(self, ids: Sequence[int], least: int) -> tuple[int, memoryview] | None:
        """Return the longest prefix of `ids` that has a state, as its length, and the state.

        None where there is none of at least `least` tokens.
        """
        if len(ids) < least:
            return None
        keys = set(self._cache.keys(f"{self._family}-"))
        counts = (key.split("-")[1] for key in keys)  # of a file of any name, perhaps
        for length in sorted({int(count) for count in counts if count.isdecimal()}, reverse=True):
            key = self._key(ids[:length])
            if least <= length <= len(ids) and key in keys and (state := self._cache.get(key)):
                return length, state
        return None

    def has(self, ids: Sequence[int]) -> bool:
        """Return whether `ids` have a state."""
        return self._key(ids) in self._cache.keys(f"{self._family}-{len(ids)}-")

    def put(self, ids: Sequence[int], state: bytes | memoryview) -> None:
        """Store the state of `ids`, as `PromptCache.put` does."""
        self._cache.put(self._key(ids), state)

    def drop(self, ids: Sequence[int]) -> None:
        """Remove the state of `ids`, if there is one."""
        self._cache.drop(self._key(ids))

    def _key(self, ids: Sequence[int]) -> str:
        return prompt_cache_key(self._model, ids, *self._settings)
