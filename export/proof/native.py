"""llama.cpp as export needs it: quantize a file, tokenize a text, and the logits of given tokens in float32.

Its log is kept from the terminal; the last complaint is what an error quotes.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from agent.errors import EngineError
from agent.llama.hardware import usable_cores
from agent.prompting.encoding import common_length

_F32 = 0
_ERROR = 4
_complaints: deque[str] = deque(maxlen=8)


def _remember(level: int, text: bytes, _data: ctypes.c_void_p) -> None:
    if level == _ERROR:
        _complaints.append(text.decode("utf-8", "replace").strip())


_callback = llama_cpp.llama_log_callback(_remember)
"""Kept for the life of the process: llama.cpp holds a pointer to it."""


def complaint() -> str:
    """The first of llama.cpp's last complaints; later ones only repeat that it failed."""
    return next((line for line in _complaints if line), "llama.cpp gave no reason")


def hush() -> None:
    """Send llama.cpp's log here, and forget what it said before."""
    _complaints.clear()
    llama_cpp.llama_log_set(_callback, ctypes.c_void_p(0))


class NativeModel:
    """A GGUF file, at most one adapter and one context with a float32 cache. Close it, or use `opened`."""

    def __init__(
        self, path: Path, context_length: int, threads: int | None = None, adapter: Path | None = None
    ) -> None:
        """Load `path` and `adapter`. Raises EngineError where llama.cpp refuses one."""
        hush()
        self.path = path
        self._context: Any = None
        self._read: list[int] = []
        """The ids whose keys and values are in the cache."""
        self._switched = 0
        """The position from which they were read with the adapter."""
        self._adapter: Any = None
        settings = llama_cpp.llama_model_default_params()
        settings.n_gpu_layers = 0
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), settings)
        if not self._model:
            raise EngineError(f"llama.cpp cannot load {path}: {complaint()}", "export it again")
        if adapter:
            self._adapter = llama_cpp.llama_adapter_lora_init(self._model, str(adapter).encode())
            if not self._adapter:
                self.close()
                raise EngineError(f"llama.cpp cannot load {adapter}: {complaint()}", "export it again")
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = max(64, context_length)
        params.type_k = params.type_v = _F32
        params.swa_full = True  # else a sliding window's cache drops what an earlier end would need
        params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.n_threads = params.n_threads_batch = threads or usable_cores()
        self._context = llama_cpp.llama_init_from_model(self._model, params)
        if not self._context:
            self.close()
            raise EngineError(f"llama.cpp makes no context for {path}: {complaint()}")
        self._memory: Any = llama_cpp.llama_get_memory(self._context)
        self._vocabulary: Any = llama_cpp.llama_model_get_vocab(self._model)
        self.vocabulary_size = llama_cpp.llama_vocab_n_tokens(self._vocabulary)

    def tokenize(self, text: str, special: bool) -> list[int]:
        """The ids of `text`, without a BOS; `special` says whether markers in it become control tokens."""
        data = text.encode()
        out = (llama_cpp.llama_token * (len(data) + 8))()
        count = llama_cpp.llama_tokenize(
            self._vocabulary, data, len(data), out, len(data) + 8, False, special
        )
        if count < 0:
            raise EngineError(f"{self.path} tokenizes {text[:40]!r} into {-count} tokens")
        return list(out[:count])

    def switch(self, on: bool) -> None:
        """Apply the adapter to what is read from now on, or leave it off."""
        assert self._context is not None
        one = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(self._adapter)
        scale = (ctypes.c_float * 1)(1.0)
        if llama_cpp.llama_set_adapters_lora(self._context, one, int(on and bool(self._adapter)), scale):
            raise EngineError(f"llama.cpp does not apply the adapter of {self.path}: {complaint()}")

    def logits(
        self, ids: Sequence[int], first: int, *, chunk: int | None = None, active: int | None = None
    ) -> NDArray[np.float32]:
        """The logits after each of `ids[first:]`, [tokens, vocabulary].

        The adapter is on from position `active` on, by default nowhere. What the last call read is not read
        again as far as `ids` begin the same; with `chunk` all is, that many tokens at a time.
        """
        assert self._context is not None
        switched = len(ids) if active is None else active
        rows: list[NDArray[np.float32]] = []
        kept = self._keep(ids[:first], switched) if chunk is None else self._forget()
        self._read, self._switched = [], switched
        size = chunk or len(ids)
        starts = {kept, *range(0, switched, size), *range(switched, len(ids), size)}
        for start, stop in pairwise([*sorted(at for at in starts if at >= kept), len(ids)]):
            self.switch(start >= switched)
            self._decode(ids[start:stop], start, first)
            for i in range(max(0, first - start), stop - start):
                row = llama_cpp.llama_get_logits_ith(self._context, i)
                rows.append(np.ctypeslib.as_array(row, (self.vocabulary_size,)).copy())
        self._read = list(ids)
        return np.stack(rows)

    def _decode(self, part: Sequence[int], start: int, first: int) -> None:
        """Read `part`, which begins at position `start`, with logits from position `first` on."""
        batch = llama_cpp.llama_batch_init(len(part), 0, 1)
        try:
            batch.n_tokens = len(part)
            for i, token in enumerate(part):
                batch.token[i] = token
                batch.pos[i] = start + i
                batch.n_seq_id[i] = 1
                batch.seq_id[i][0] = 0
                batch.logits[i] = start + i >= first
            if llama_cpp.llama_decode(self._context, batch):
                raise EngineError(
                    f"llama.cpp cannot read {start + len(part)} tokens with {self.path}: {complaint()}"
                )
        finally:
            llama_cpp.llama_batch_free(batch)

    def _keep(self, ids: Sequence[int], switched: int) -> int:
        """Cut the cache back to what it has in common with `ids`; returns how many positions stay."""
        same = common_length(self._read, ids)
        if switched != self._switched:
            # Positions that were read with the adapter are wrong without it.
            same = min(same, switched, self._switched)
        if same and llama_cpp.llama_memory_seq_rm(self._memory, 0, same, -1):
            return same
        return self._forget()

    def _forget(self) -> int:
        llama_cpp.llama_memory_clear(self._memory, True)
        return 0

    def close(self) -> None:
        """Free the model. May be called twice."""
        if self._context:
            llama_cpp.llama_free(self._context)
            self._context = None
        if self._model:
            llama_cpp.llama_model_free(self._model)
            self._model = None


@contextmanager
def opened(path: Path, context_length: int, adapter: Path | None = None) -> Iterator[NativeModel]:
    """A `NativeModel` that is freed at the end."""
    model = NativeModel(path, context_length, adapter=adapter)
    try:
        yield model
    finally:
        model.close()
