"""A context of llama.cpp: the key-value cache of one token sequence, which grows, is truncated and is saved.

Cache entries computed under an adapter are wrong without it, so a context knows how many of its tokens were
decoded without one.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from llama_cpp import llama_cpp as native
from numpy.typing import NDArray

from agent.bundle.manifest import BACKBONE_KEY
from agent.config import CacheType, EngineSettings, Switch
from agent.errors import BundleError, EngineError
from agent.llama.binding.log import clear_errors, first_error
from agent.llama.binding.model import Model, gpu_layers, metadata_value
from agent.llama.gguf.rules import require_sound_adapter
from agent.llama.timing import Stopwatch
from agent.prompting.encoding import common_length

BATCH = 256
"""Tokens per decode of a prompt: one or two seconds of a 0.5B model on a laptop."""
_GGML_TYPES: dict[CacheType, int] = {"f32": 0, "f16": 1, "q8_0": 8}
_FLASH_ATTENTION: dict[Switch, int] = {"auto": -1, "off": 0, "on": 1}
_SUCCESS, _ABORTED = 0, 2
"""Return codes of llama_decode."""
_MAX_SNAPSHOTS = 4
"""Of a cache that cannot be truncated: after the tools, and where the last prompts diverged."""
_SEQUENCE = native.llama_seq_id(0)


class Adapter:
    """A LoRA adapter of a model. It is freed with its model."""

    def __init__(self, model: Model, path: Path, *, hint: str = "") -> None:
        """Load `path`. Raise BundleError where it is damaged or not an adapter of `model`."""
        require_sound_adapter(path, hint)
        clear_errors()
        handle = native.llama_adapter_lora_init(model.handle, os.fsencode(path))
        if not handle:
            raise BundleError(f"{path} is not an adapter of {model.path}: {first_error()}", hint)
        self.handle: native.llama_adapter_lora_p = handle
        count = native.llama_adapter_get_alora_n_invocation_tokens(handle)
        tokens: Any = native.llama_adapter_get_alora_invocation_tokens(handle)
        self.invocation_tokens: tuple[int, ...] = tuple(tokens[i] for i in range(count))
        """The tokens that activate an aLoRA adapter; empty for a plain LoRA adapter."""
        self.backbone = metadata_value(native.llama_adapter_meta_val_str, handle, BACKBONE_KEY)
        """The hash of the backbone it was trained on; empty where the file has none."""


class Context:
    """The key-value cache of one sequence: `tokens` are its tokens in order.

    The first `base_length` of them were decoded without an adapter.
    """

    def __init__(
        self,
        model: Model,
        length: int,
        *,
        threads: int,
        cache: CacheType = "f16",
        flash_attention: Switch = "auto",
        batch: int = BATCH,
    ) -> None:
        """Allocate a cache of `length` tokens, of which at most `batch` are decoded at a time.

        Raise EngineError where llama.cpp cannot make it, most often for lack of memory.
        """
        self.length = length
        """Tokens that it holds."""
        self.tokens: list[int] = []
        self.base_length = 0
        self.has_logits = False
        """Whether `logits` returns those after the last cached token."""
        self.stopwatch = Stopwatch()
        """Of the time that llama.cpp computes or copies states."""
        self._adapter: Adapter | None = None
        self._cancelled: Callable[[], bool] = lambda: False
        self._can_truncate = not model.is_recurrent
        self._snapshots: list[tuple[list[int], memoryview]] = []
        self._vocabulary_size = model.vocabulary.size
        self._batch = min(batch, length)
        params = native.llama_context_default_params()
        params.n_ctx = length
        params.n_batch = params.n_ubatch = self._batch
        params.n_threads = params.n_threads_batch = threads
        params.type_k = params.type_v = _GGML_TYPES[cache]
        params.swa_full = True  # else a sliding window drops positions that a truncation goes back to
        params.flash_attn_type = _FLASH_ATTENTION[flash_attention]
        # Called by llama.cpp between the operations of a decode; the attribute keeps it alive.
        self._abort = native.ggml_abort_callback(lambda _data: self._cancelled())
        params.abort_callback = self._abort
        clear_errors()
        handle = native.llama_init_from_model(model.handle, params)
        if not handle:
            # A quantized cache needs rows of 32 and flash attention, which not every model has.
            other = "q8_0" if cache == "f16" else "f16"
            others = "" if cache == "q8_0" else "close other programs, "
            raise EngineError(
                f"llama.cpp cannot make a context of {length} tokens ({cache} cache): {first_error()}",
                f"{others}set the engine's cache to {other}, or use models with a shorter context",
            )
        self._handle: native.llama_context_p | None = handle

    @property
    def handle(self) -> native.llama_context_p:
        """llama.cpp's pointer to the context. Raise EngineError once it is closed."""
        if self._handle is None:
            raise EngineError("the models are closed")
        return self._handle

    def set_threads(self, threads: int) -> None:
        """Compute with `threads` threads from here on."""
        native.llama_set_n_threads(self.handle, threads, threads)

    def set_adapter(self, adapter: Adapter | None) -> None:
        """Decode under `adapter` from here on. Raise EngineError where llama.cpp refuses it."""
        if adapter is self._adapter:
            return
        handles = (native.llama_adapter_lora_p_ctypes * 1)(adapter.handle if adapter else None)
        scales = (ctypes.c_float * 1)(1.0)
        if native.llama_set_adapters_lora(self.handle, handles, 1 if adapter else 0, scales):
            raise EngineError("llama.cpp cannot apply the role's adapter")
        self._adapter = adapter

    def reusable_length(self, ids: Sequence[int]) -> int:
        """Return how many of `ids` are cached without an adapter, not counting the last one.

        The last one is decoded in any case, since its logits are wanted.
        """
        return common_length(self.tokens[: self.base_length], ids[:-1])

    def reuse_prefix(self, ids: Sequence[int]) -> int:
        """Truncate the cache to the longest prefix that it shares with `ids` and that no adapter touched.

        Return its length. Where the cache cannot be truncated, the prefix is one that has a snapshot.
        """
        length = self.reusable_length(ids)
        if self._can_truncate or length == len(self.tokens):
            return self.truncate(length)
        matching = [
            (tokens, state) for tokens, state in self._snapshots if tokens == list(ids[: len(tokens)])
        ]
        tokens, state = max(matching, key=lambda snapshot: len(snapshot[0]), default=([], memoryview(b"")))
        restored = tokens and len(tokens) < len(ids) and self.load_state(state, tokens)
        return len(tokens) if restored else self.truncate(0)

    def take_snapshot(self) -> None:
        """Keep the present state in memory, to go back to it where the cache cannot be truncated."""
        self._snapshots = [*self._snapshots[1 - _MAX_SNAPSHOTS :], (list(self.tokens), self.save_state())]

    def decode(
        self, ids: Sequence[int], cancelled: Callable[[], bool] = lambda: False, *, outputs: int = 1
    ) -> bool:
        """Append `ids` to the cache, a batch at a time; the last `outputs` of them have logits then.

        `outputs` is at most the batch size. Return False where `cancelled` became true: the batch that was
        being computed is not cached. Raise EngineError where llama.cpp fails.
        """
        self._cancelled = cancelled
        self.has_logits = self.has_logits and not ids
        for start in range(0, len(ids), self._batch):
            batch = list(ids[start : start + self._batch])
            clear_errors()
            with self.stopwatch:
                code = native.llama_decode(self.handle, _native_batch(batch, outputs))
            if code != _SUCCESS:
                self.truncate(len(self.tokens))
                if code == _ABORTED:
                    return False
                raise EngineError(f"llama.cpp failed to compute (code {code}): {first_error()}")
            self.tokens += batch
            self.has_logits = True
            if self._adapter is None:
                self.base_length = len(self.tokens)
        return True

    def logits(self, back: int = 0) -> NDArray[np.float32]:
        """Return the logits after the token `back` places before the last, float32, shape (vocabulary,).

        It is a view of llama.cpp's memory, valid until the next decode, and only for tokens with outputs.
        """
        pointer = native.llama_get_logits_ith(self.handle, -1 - back)
        return np.ctypeslib.as_array(pointer, shape=(self._vocabulary_size,))

    def truncate(self, length: int) -> int:
        """Remove all but the first `length` tokens; return how many are left.

        0 are left where positions cannot be removed (`Model.is_recurrent`).
        """
        memory = native.llama_get_memory(self.handle)
        if memory is None:
            raise EngineError("the model keeps no cache of what it reads, so it cannot write")
        if not native.llama_memory_seq_rm(memory, 0, length, -1):
            native.llama_memory_clear(memory, True)
            length = 0
        self.has_logits = self.has_logits and length == len(self.tokens)
        del self.tokens[length:]
        self.base_length = min(self.base_length, length)
        return len(self.tokens)

    def save_state(self) -> memoryview:
        """Return the cache as bytes, for `load_state` in a context of the same model and parameters."""
        with self.stopwatch:
            buffer = np.empty(native.llama_state_seq_get_size(self.handle, _SEQUENCE), np.uint8)
            written = native.llama_state_seq_get_data(self.handle, _bytes(buffer), len(buffer), _SEQUENCE)
            return buffer.data[:written]

    def load_state(self, state: bytes | memoryview, ids: Sequence[int]) -> bool:
        """Replace the cache by the `state` of `ids`, which were decoded without an adapter.

        Return False, with an empty cache, where llama.cpp refuses it.
        """
        self.truncate(0)
        with self.stopwatch:
            buffer = np.frombuffer(state, np.uint8)
            read = native.llama_state_seq_set_data(self.handle, _bytes(buffer), len(state), _SEQUENCE)
        if read != len(state):
            self.truncate(0)
            return False
        self.tokens, self.base_length = list(ids), len(ids)
        return True

    def close(self) -> None:
        """Free the context. May be called twice."""
        if self._handle is not None:
            native.llama_free(self._handle)
            self._handle = None


def flash_attention_mode(settings: EngineSettings) -> Switch:
    """Return the setting, with `auto` resolved to `off` on a processor, unless the cache needs it.

    There it gains nothing, and a few tokens take up to twice as long: 45 tokens of a 0.5B model after 4,000
    others 0.58 s, without it 0.32 s. What it saves is memory: 50 MB at 7,000 tokens.
    """
    if settings.flash_attention == "auto" and settings.cache != "q8_0" and not gpu_layers(settings):
        return "off"
    return settings.flash_attention


def _bytes(buffer: NDArray[np.uint8]) -> Any:
    """Return a pointer to the elements of `buffer`."""
    return buffer.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))


def _native_batch(ids: list[int], outputs: int) -> native.llama_batch:
    """Return a llama_batch with logits for the last `outputs` tokens; llama.cpp fills in the positions."""
    tokens = (native.llama_token * len(ids))(*ids)
    if outputs == 1:
        return native.llama_batch(n_tokens=len(ids), token=tokens)
    flags = (ctypes.c_int8 * len(ids))(*(i >= len(ids) - outputs for i in range(len(ids))))
    return native.llama_batch(n_tokens=len(ids), token=tokens, logits=flags)
