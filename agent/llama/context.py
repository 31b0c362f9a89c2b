"""What a model has read: a key-value cache that grows, is cut back, changes adapters, and can be saved.

Entries that were computed under an adapter are wrong for everyone else, so a context knows where they begin.
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
from agent.errors import BundleError, EngineError
from agent.llama.model import Model, forget_complaints, gpu_layers, read_metadata, reason
from agent.settings import EngineSettings, Switch

BATCH = 256
"""Tokens decoded at once while a prompt is read: one or two seconds of a 0.5B model on a laptop."""
CACHE_TYPES = {"f32": 0, "f16": 1, "q8_0": 8}
"""ggml's numbers for the types a cache may have."""
_FLASH = {"auto": -1, "off": 0, "on": 1}
_DECODED, _ABORTED = 0, 2
_MARKS = 4
"""States kept of a cache that cannot be cut: the tools, and where the last prompts parted."""
_SEQUENCE = native.llama_seq_id(0)


class Adapter:
    """A LoRA adapter of a model. It is freed with its model."""

    def __init__(self, model: Model, path: Path, *, hint: str = "") -> None:
        """Load `path`. Raises BundleError where it is no adapter, or one of another model."""
        forget_complaints()
        handle = native.llama_adapter_lora_init(model.handle, os.fsencode(path))
        if not handle:
            raise BundleError(f"{path} is no adapter of {model.path}: {reason()}", hint)
        self.handle: native.llama_adapter_lora_p = handle
        count = native.llama_adapter_get_alora_n_invocation_tokens(handle)
        tokens: Any = native.llama_adapter_get_alora_invocation_tokens(handle)
        self.invocation: tuple[int, ...] = tuple(tokens[i] for i in range(count))
        """The tokens that activate it; empty for a plain adapter."""
        self.backbone = read_metadata(native.llama_adapter_meta_val_str, handle, BACKBONE_KEY)
        """The hash of the model that it was made for; empty where the file does not say."""


class Context:
    """`held` are the tokens in the cache, in order; the first `plain` were read without an adapter."""

    def __init__(self, model: Model, length: int, *, threads: int, settings: EngineSettings) -> None:
        """Make room for `length` tokens. Raises EngineError where memory does not suffice."""
        self.held: list[int] = []
        self.plain = 0
        self._adapter: Adapter | None = None
        self._cancelled: Callable[[], bool] = lambda: False
        self._can_cut = not model.is_recurrent
        self._marks: list[tuple[list[int], bytes]] = []
        self._vocabulary_size = model.vocabulary.size
        params = native.llama_context_default_params()
        params.n_ctx = length
        params.n_batch = params.n_ubatch = min(BATCH, length)
        params.n_threads = params.n_threads_batch = threads
        params.type_k = params.type_v = CACHE_TYPES[settings.cache]
        params.flash_attn_type = _FLASH[flash_attention(settings)]
        # Called by llama.cpp between the operations of a decode; the attribute keeps it alive.
        self._abort = native.ggml_abort_callback(lambda _data: self._cancelled())
        params.abort_callback = self._abort
        forget_complaints()
        handle = native.llama_init_from_model(model.handle, params)
        if not handle:
            raise EngineError(
                f"llama.cpp cannot make a context of {length} tokens ({settings.cache} cache): {reason()}",
                _other_cache(settings),
            )
        self._handle: native.llama_context_p | None = handle

    @property
    def handle(self) -> native.llama_context_p:
        """llama.cpp's pointer. Raises EngineError once closed."""
        if self._handle is None:
            raise EngineError("the models are closed")
        return self._handle

    def use_threads(self, threads: int) -> None:
        """Compute with so many threads from now on."""
        native.llama_set_n_threads(self.handle, threads, threads)

    def use(self, adapter: Adapter | None) -> None:
        """Read and write under `adapter` from here on. Raises EngineError where llama.cpp refuses."""
        if adapter is self._adapter:
            return
        count = 1 if adapter else 0
        handles = (native.llama_adapter_lora_p_ctypes * 1)(adapter.handle if adapter else None)
        scales = (ctypes.c_float * 1)(1.0)
        if native.llama_set_adapters_lora(self.handle, handles, count, scales):
            raise EngineError("llama.cpp cannot apply the role's adapter")
        self._adapter = adapter

    def agreed(self, ids: Sequence[int]) -> int:
        """How many of `ids` are held without an adapter; not the last one, whose logits are wanted."""
        count = 0
        for old, new in zip(self.held[: self.plain], ids[:-1], strict=False):
            if old != new:
                break
            count += 1
        return count

    def resume(self, ids: Sequence[int]) -> int:
        """Keep the longest part of what was read that `ids` begins with and no adapter touched.

        Returns its length. Where the cache cannot be cut, that is a part whose state was marked.
        """
        agreed = self.agreed(ids)
        if self._can_cut or agreed == len(self.held):
            return self.cut(agreed)
        marked = [(held, state) for held, state in self._marks if held == list(ids[: len(held)])]
        held, state = max(marked, key=lambda mark: len(mark[0]), default=([], b""))
        return len(held) if held and len(held) < len(ids) and self.restore(state, held) else self.cut(0)

    def mark(self) -> None:
        """Remember the state of what is held, to go back to it where the cache cannot be cut."""
        self._marks = [*self._marks[1 - _MARKS :], (list(self.held), self.state())]

    def decode(
        self, ids: Sequence[int], cancelled: Callable[[], bool] = lambda: False, *, outputs: int = 1
    ) -> bool:
        """Read `ids` after what is held; the last `outputs` of them (at most BATCH) have logits then.

        False where `cancelled` came true on the way: then the batch that was being read is not held. Raises
        EngineError where llama.cpp fails.
        """
        self._cancelled = cancelled
        for start in range(0, len(ids), BATCH):
            part = list(ids[start : start + BATCH])
            forget_complaints()
            code = native.llama_decode(self.handle, _batch(part, outputs))
            if code != _DECODED:
                self.cut(len(self.held))
                if code == _ABORTED:
                    return False
                raise EngineError(f"llama.cpp failed to compute (code {code}): {reason()}")
            self.held += part
            if self._adapter is None:
                self.plain = len(self.held)
        return True

    def logits(self, back: int = 0) -> NDArray[np.float32]:
        """A float32 score for each token of the vocabulary to come next, after all that is held but `back`
        tokens of the last decode. Valid until the next decode."""
        pointer = native.llama_get_logits_ith(self.handle, -1 - back)
        return np.ctypeslib.as_array(pointer, shape=(self._vocabulary_size,))

    def cut(self, length: int) -> int:
        """Forget all but the first `length` tokens; returns how many are held then.

        0 where the model's cache cannot drop positions (`Model.is_recurrent`): all is read again then.
        """
        memory = native.llama_get_memory(self.handle)
        if memory is None:
            raise EngineError("the model keeps no cache of what it reads, so it cannot write")
        if not native.llama_memory_seq_rm(memory, 0, length, -1):
            native.llama_memory_clear(memory, True)
            length = 0
        del self.held[length:]
        self.plain = min(self.plain, length)
        return len(self.held)

    def state(self) -> bytes:
        """The cache as bytes, for `restore` in a context of the same model and settings."""
        size = native.llama_state_seq_get_size(self.handle, _SEQUENCE)
        buffer = (ctypes.c_uint8 * size)()
        written = native.llama_state_seq_get_data(self.handle, buffer, size, _SEQUENCE)
        return ctypes.string_at(buffer, written)

    def restore(self, state: bytes, ids: Sequence[int]) -> bool:
        """Hold `ids` again from their `state`. False, and nothing is held, where llama.cpp refuses it."""
        self.cut(0)
        buffer = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        if native.llama_state_seq_set_data(self.handle, buffer, len(state), _SEQUENCE) != len(state):
            self.cut(0)
            return False
        self.held, self.plain = list(ids), len(ids)
        return True

    def close(self) -> None:
        """Free the context. May be called twice."""
        if self._handle is not None:
            native.llama_free(self._handle)
            self._handle = None


def flash_attention(settings: EngineSettings) -> Switch:
    """What `auto` is: off on a processor, unless the cache needs it.

    There it gains nothing, and a few tokens take up to twice as long: 45 tokens of a 0.5B model after 4,000
    others 0.58 s, without it 0.32 s. What it saves is memory: 50 MB at 7,000 tokens.
    """
    if settings.flash_attention == "auto" and settings.cache != "q8_0" and not gpu_layers(settings):
        return "off"
    return settings.flash_attention


def _other_cache(settings: EngineSettings) -> str:
    if settings.cache == "f16":
        return "close other programs, set the engine's cache to q8_0, or use models with a shorter context"
    if settings.cache == "q8_0":
        # A quantized cache needs rows of 32 and flash attention, which not every model has.
        return "set the engine's cache to f16, or use models with a shorter context"
    return "close other programs, set the engine's cache to f16, or use models with a shorter context"


def _batch(ids: list[int], outputs: int) -> native.llama_batch:
    """Positions and the sequence are left to llama.cpp; without flags only the last token has logits."""
    tokens = (native.llama_token * len(ids))(*ids)
    if outputs == 1:
        return native.llama_batch(n_tokens=len(ids), token=tokens)
    flags = (ctypes.c_int8 * len(ids))(*(i >= len(ids) - outputs for i in range(len(ids))))
    return native.llama_batch(n_tokens=len(ids), token=tokens, logits=flags)
