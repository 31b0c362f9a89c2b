"""Thin wrappers over llama.cpp's functions: a model file, its vocabulary, and a context that can be resumed.

Nothing here knows of roles, prompts or grammars. llama.cpp's log goes to a short memory instead of stderr, so
that an error can say what llama.cpp said. Everything is freed by `close`, never by the garbage collector.
"""

from __future__ import annotations

import ctypes
import os
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from llama_cpp import llama_cpp as native
from llguidance import LLTokenizer
from llguidance.llamacpp import lltokenizer_from_vocab
from numpy.typing import NDArray

from agent.errors import BundleError, EngineError

BATCH = 256
"""Tokens decoded at once while a prompt is read: one or two seconds of a 0.5B model on a laptop."""
_LEVEL_ERROR = 4
_F32 = 0
_DECODED, _ABORTED = 0, 2

_complaints: deque[str] = deque(maxlen=8)


def _remember(level: int, text: bytes, _data: object) -> None:
    if level == _LEVEL_ERROR:
        _complaints.append(text.decode("utf-8", "replace").strip())


_log_callback = native.llama_log_callback(_remember)
"""Kept for the life of the process: llama.cpp holds a pointer to it."""
native.llama_log_set(_log_callback, ctypes.c_void_p(0))


def _reason() -> str:
    """The most telling of the last complaints: the first, since later ones only repeat that it failed."""
    said = next((line for line in _complaints if line), "llama.cpp gave no reason")
    return said.rpartition("error loading model: ")[2]


class Vocabulary:
    """A model's tokens. Usable until its model is closed."""

    def __init__(self, handle: native.llama_vocab_p) -> None:
        self._handle = handle
        self.size = native.llama_vocab_n_tokens(handle)
        self._tokenize = lru_cache(maxsize=512)(self._tokenize_anew)
        self._piece = lru_cache(maxsize=4096)(self._piece_anew)

    def tokenize(self, text: str, special: bool) -> list[int]:
        """The ids of `text`; `special` turns control tokens' names in it into those tokens. No BOS."""
        return list(self._tokenize(text, special))

    def piece(self, token: int) -> bytes:
        """The bytes that `token` writes: a part of UTF-8 text, empty for control tokens."""
        return self._piece(token)

    def is_control(self, token: int) -> bool:
        """Whether `token` can only come from markup."""
        return bool(native.llama_vocab_is_control(self._handle, token))

    def is_end(self, token: int) -> bool:
        """Whether the model says that `token` ends a generation."""
        return bool(native.llama_vocab_is_eog(self._handle, token))

    def grammar_tokenizer(self, end: int) -> LLTokenizer:
        """llguidance's view of the vocabulary, with `end` as its only end token. Takes about 7 µs a token."""
        with warnings.catch_warnings():
            # llguidance 1.9 asks for token attributes by a name that llama-cpp-python 0.3.36 deprecates.
            warnings.simplefilter("ignore", DeprecationWarning)
            return lltokenizer_from_vocab(self._handle, eos_token=end)

    def _tokenize_anew(self, text: str, special: bool) -> tuple[int, ...]:
        # Lone surrogates (undecodable bytes of a command line) have no UTF-8.
        data = text.encode("utf-8", "replace")
        size = len(data) + 8
        for _ in range(2):
            ids = (native.llama_token * size)()
            count = native.llama_tokenize(self._handle, data, len(data), ids, size, False, special)
            if count >= 0:
                return tuple(ids[:count])
            size = -count
        raise EngineError("llama.cpp could not tokenize a text", "report it, with the text")

    def _piece_anew(self, token: int) -> bytes:
        buffer = ctypes.create_string_buffer(256)
        count = native.llama_token_to_piece(self._handle, token, buffer, len(buffer), 0, False)
        if count < 0:
            buffer = ctypes.create_string_buffer(-count)
            count = native.llama_token_to_piece(self._handle, token, buffer, len(buffer), 0, False)
        return buffer.raw[: max(count, 0)]


class Model:
    """A GGUF file in memory (mapped, not copied, where the system can)."""

    def __init__(self, path: Path, *, hint: str = "") -> None:
        """Load `path`. Raises BundleError, ending in `hint`, where llama.cpp refuses it."""
        params = native.llama_model_default_params()
        params.n_gpu_layers = 0
        _complaints.clear()
        handle = native.llama_model_load_from_file(os.fsencode(path), params)
        if not handle:
            raise BundleError(f"llama.cpp cannot load {path}: {_reason()}", hint)
        self._handle: native.llama_model_p | None = handle
        vocabulary = native.llama_model_get_vocab(handle)
        if not vocabulary:
            self.close()
            raise BundleError(f"{path} has no vocabulary", hint)
        self.vocabulary = Vocabulary(vocabulary)

    @property
    def handle(self) -> native.llama_model_p:
        """llama.cpp's pointer. Raises EngineError once closed."""
        if self._handle is None:
            raise EngineError("the models are closed")
        return self._handle

    def close(self) -> None:
        """Free the model. Its contexts must be closed before it. May be called twice."""
        if self._handle is not None:
            native.llama_model_free(self._handle)
            self._handle = None


class Context:
    """What a model has read: `held` are the tokens in its cache, in order."""

    def __init__(self, model: Model, length: int, *, threads: int, exact: bool = False) -> None:
        """Make room for `length` tokens. Raises EngineError where memory does not suffice.

        `exact` keeps the cache in 32 bits instead of 16 (slower, twice the memory), so that how a prompt
        was split into batches hardly shows.
        """
        self.held: list[int] = []
        self._cancelled: Callable[[], bool] = lambda: False
        self._vocabulary_size = model.vocabulary.size
        params = native.llama_context_default_params()
        params.n_ctx = length
        params.n_batch = params.n_ubatch = min(BATCH, length)
        params.n_threads = params.n_threads_batch = threads
        if exact:
            params.type_k = params.type_v = _F32
        # Called by llama.cpp between the operations of a decode; the attribute keeps it alive.
        self._abort = native.ggml_abort_callback(lambda _data: self._cancelled())
        params.abort_callback = self._abort
        _complaints.clear()
        handle = native.llama_init_from_model(model.handle, params)
        if not handle:
            raise EngineError(
                f"llama.cpp cannot make a context of {length} tokens: {_reason()}",
                "close other programs or use models with a shorter context",
            )
        self._handle: native.llama_context_p | None = handle

    @property
    def handle(self) -> native.llama_context_p:
        """llama.cpp's pointer. Raises EngineError once closed."""
        if self._handle is None:
            raise EngineError("the models are closed")
        return self._handle

    def resume(self, ids: Sequence[int]) -> int:
        """Keep of what was read the longest part that `ids` begins with; return its length.

        At least the last of `ids` is left to be read, since its logits are wanted.
        """
        shared = 0
        for old, new in zip(self.held, ids[:-1], strict=False):
            if old != new:
                break
            shared += 1
        self._cut(shared)
        return len(self.held)

    def decode(self, ids: Sequence[int], cancelled: Callable[[], bool]) -> bool:
        """Read `ids` after what is held. Raises EngineError where llama.cpp fails.

        False where `cancelled` came true on the way: then the batch that was being read is not held.
        """
        self._cancelled = cancelled
        for start in range(0, len(ids), BATCH):
            part = list(ids[start : start + BATCH])
            tokens = (native.llama_token * len(part))(*part)
            _complaints.clear()
            code = native.llama_decode(self.handle, native.llama_batch_get_one(tokens, len(part)))
            if code != _DECODED:
                self._cut(len(self.held))
                if code == _ABORTED:
                    return False
                raise EngineError(f"llama.cpp failed to compute (code {code}): {_reason()}")
            self.held += part
        return True

    def logits(self) -> NDArray[np.float32]:
        """A score for each token of the vocabulary to come next. Valid until the next decode."""
        pointer = native.llama_get_logits_ith(self.handle, -1)
        return np.ctypeslib.as_array(pointer, shape=(self._vocabulary_size,))

    def close(self) -> None:
        """Free the context. May be called twice."""
        if self._handle is not None:
            native.llama_free(self._handle)
            self._handle = None

    def _cut(self, length: int) -> None:
        memory = native.llama_get_memory(self.handle)
        if memory is None:
            raise EngineError("the model keeps no cache of what it reads, so it cannot write")
        if not native.llama_memory_seq_rm(memory, 0, length, -1):
            # A cache that cannot drop positions is read again from the start.
            native.llama_memory_clear(memory, True)
            length = 0
        del self.held[length:]
