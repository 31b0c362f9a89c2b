"""What a bundle takes in memory, from the headers of its files: asked before any model is loaded."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agent.bundle import Bundle
from agent.llama.hardware import available_bytes, require_memory
from agent.llama.model import gpu_layers
from agent.settings import CacheType, EngineSettings
from agent.transcript import Role

_BYTES = {"f32": 4.0, "f16": 2.0, "q8_0": 34 / 32}
"""Of a number in the cache."""
_UINT32, _INT32, _STRING, _ARRAY = 4, 5, 8, 9
"""gguf's numbers for the types of metadata."""


class _Init(ctypes.Structure):
    _fields_ = (("no_alloc", ctypes.c_bool), ("context", ctypes.c_void_p))


class _Header:
    """The metadata of an opened GGUF file, by ggml's own functions."""

    def __init__(self, library: Any, handle: int) -> None:
        self._library, self._handle = library, handle

    def text(self, key: str) -> str:
        """A string; empty where there is none."""
        at = self._find(key, _STRING)
        return (
            "" if at < 0 else self._call("gguf_get_val_str", ctypes.c_char_p, at).decode("utf-8", "replace")
        )

    def numbers(self, key: str) -> list[int]:
        """A whole number or a list of them, one a layer; empty where there is none."""
        for kind, name in ((_UINT32, "u32"), (_INT32, "i32")):
            if (at := self._find(key, kind)) >= 0:
                return [self._call(f"gguf_get_val_{name}", ctypes.c_int32, at)]
        if (at := self._find(key, _ARRAY)) < 0:
            return []
        if self._call("gguf_get_arr_type", ctypes.c_int, at) not in (_UINT32, _INT32):
            return []
        count = self._call("gguf_get_arr_n", ctypes.c_size_t, at)
        data = self._call("gguf_get_arr_data", ctypes.POINTER(ctypes.c_int32), at)
        return list(data[:count])

    def _find(self, key: str, kind: int) -> int:
        function = self._library.gguf_find_key
        function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_char_p], ctypes.c_int64
        at = function(self._handle, key.encode())
        return at if at >= 0 and self._call("gguf_get_kv_type", ctypes.c_int, at) == kind else -1

    def _call(self, name: str, result: Any, at: int) -> Any:
        function = getattr(self._library, name)
        function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_int64], result
        return function(self._handle, at)


def cache_bytes(path: Path, cache: CacheType) -> int:
    """Bytes that the key-value cache of the model in `path` takes for each token of context, at most.

    0 where the file's header cannot be read: loading it then says what is wrong.
    """
    return _with_header(path, lambda header: int(_cached_numbers(header) * _BYTES[cache]))


def require_room(bundle: Bundle, roles: Sequence[Role], settings: EngineSettings) -> None:
    """Raise EngineError, with the numbers, where the models of `roles` and their caches do not fit in memory.

    Each model has one cache of the bundle's whole context. Where layers go to a GPU the files do not count.
    """
    used = [bundle.roles[role] for role in roles]
    models = {role.file for role in used}
    each = [cache_bytes(bundle.folder / file, settings.cache) for file in models]
    caches = sum(each) * bundle.context_length
    names = models | {role.adapter.file for role in used if role.adapter}
    files = 0 if gpu_layers(settings) else sum(file.size for file in bundle.files if file.file in names)
    what = f"{caches / 1e9:.1f} GB of key-value cache for {bundle.context_length} tokens"
    if files:
        what = f"{files / 1e9:.1f} GB of models and {what}"
    require_memory(files + caches, f"{bundle.name}'s {what}", available_bytes())


def _cached_numbers(header: _Header) -> int:
    """Keys and values that all layers keep of one token."""
    arch = header.text("general.architecture")

    def one(key: str) -> int:
        return max(header.numbers(f"{arch}.{key}"), default=0)

    layers, heads = one("block_count"), header.numbers(f"{arch}.attention.head_count")
    groups = header.numbers(f"{arch}.attention.head_count_kv") or heads
    if not layers or not groups:
        return 0
    width = one("embedding_length") // max(1, *heads, 1)
    per_head = (one("attention.key_length") or width) + (one("attention.value_length") or width)
    return per_head * (sum(groups) if len(groups) > 1 else groups[0] * layers)


def _with_header(path: Path, read: Callable[[_Header], int]) -> int:
    from llama_cpp import _ggml

    library: Any = _ggml.libggml
    library.gguf_init_from_file.argtypes = [ctypes.c_char_p, _Init]
    library.gguf_init_from_file.restype = ctypes.c_void_p
    library.gguf_free.argtypes, library.gguf_free.restype = [ctypes.c_void_p], None
    handle = library.gguf_init_from_file(os.fsencode(path), _Init(True, None))
    if not handle:
        return 0
    try:
        return read(_Header(library, handle))
    finally:
        library.gguf_free(handle)
