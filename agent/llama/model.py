"""Thin wrappers over llama.cpp's functions: a model file and its vocabulary.

Nothing here knows of roles, prompts or grammars. llama.cpp's log goes to a short memory instead of stderr, so
that an error can say what llama.cpp said. Everything is freed by `close`, never by the garbage collector.
"""

from __future__ import annotations

import ctypes
import os
import warnings
from collections import deque
from functools import lru_cache
from pathlib import Path
from typing import Any

from llama_cpp import llama_cpp as native
from llguidance import LLTokenizer
from llguidance.llamacpp import lltokenizer_from_vocab

from agent.errors import BundleError, EngineError
from agent.settings import EngineSettings

_LEVEL_ERROR = 4
_POINTER = ctypes.c_void_p
_ALL_LAYERS = 999

_complaints: deque[str] = deque(maxlen=8)


def _remember(level: int, text: bytes, _data: object) -> None:
    if level == _LEVEL_ERROR:
        _complaints.append(text.decode("utf-8", "replace").strip())


_log_callback = native.llama_log_callback(_remember)
"""Kept for the life of the process: llama.cpp holds a pointer to it."""
native.llama_log_set(_log_callback, ctypes.c_void_p(0))


def forget_complaints() -> None:
    """What llama.cpp says from here on is about what comes next."""
    _complaints.clear()


def reason() -> str:
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

    @property
    def bos(self) -> int:
        """The token that begins a text; -1 where there is none."""
        return int(native.llama_vocab_bos(self._handle))  # type: ignore[arg-type]

    @property
    def eos(self) -> int:
        """The token that ends a text; -1 where there is none."""
        return int(native.llama_vocab_eos(self._handle))  # type: ignore[arg-type]

    @property
    def turn_end(self) -> int:
        """The token that ends a message of a chat: the model's end of turn, or else its end of text."""
        turn = int(native.llama_vocab_eot(self._handle))  # type: ignore[arg-type]
        return turn if turn >= 0 else self.eos

    @property
    def adds_bos(self) -> bool:
        """Whether the model was trained on texts that begin with `bos`."""
        return self.bos >= 0 and bool(native.llama_vocab_get_add_bos(self._handle))

    def text(self, token: int) -> str:
        """How a token is written in the vocabulary; empty for -1."""
        if token < 0:
            return ""
        return (native.llama_vocab_get_text(self._handle, token) or b"").decode("utf-8", "replace")

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

    def __init__(self, path: Path, *, gpu_layers: int = 0, hint: str = "") -> None:
        """Load `path`, with `gpu_layers` of its layers on a GPU.

        Raises BundleError, ending in `hint`, where llama.cpp refuses it.
        """
        params = native.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        self.path = path
        forget_complaints()
        handle = native.llama_model_load_from_file(os.fsencode(path), params)
        if not handle:
            raise BundleError(f"llama.cpp cannot load {path}: {reason()}", hint)
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

    @property
    def is_recurrent(self) -> bool:
        """Whether layers keep a running state of what they read, so that positions cannot be dropped."""
        return bool(native.llama_model_is_recurrent(self.handle) or native.llama_model_is_hybrid(self.handle))

    def metadata(self, key: str) -> str:
        """A value of the file's metadata, up to 1,023 bytes; empty where there is none."""
        return read_metadata(native.llama_model_meta_val_str, self.handle, key)

    @property
    def chat_template(self) -> str:
        """The Jinja source of the model's chat template; empty where it has none."""
        return (native.llama_model_chat_template(self.handle, None) or b"").decode("utf-8", "replace")

    @property
    def declared_context(self) -> int:
        """Tokens of context that the model was made for."""
        return native.llama_model_n_ctx_train(self.handle)


def read_metadata(function: Any, handle: Any, key: str) -> str:
    """What llama.cpp's `function` says of `key` in a model's or an adapter's metadata; empty for nothing."""
    buffer = ctypes.create_string_buffer(1024)
    found = function(handle, key.encode(), buffer, len(buffer)) >= 0
    return buffer.value.decode("utf-8", "replace") if found else ""


def devices() -> list[str]:
    """The processors and GPUs that this build of llama.cpp can compute on, by its own descriptions."""
    from llama_cpp import _ggml

    library: Any = _ggml.libggml
    library.ggml_backend_dev_count.restype = ctypes.c_size_t
    library.ggml_backend_dev_get.argtypes, library.ggml_backend_dev_get.restype = [ctypes.c_size_t], _POINTER
    for name in ("ggml_backend_dev_name", "ggml_backend_dev_description"):
        function = getattr(library, name)
        function.argtypes, function.restype = [_POINTER], ctypes.c_char_p
    found = []
    for index in range(library.ggml_backend_dev_count()):
        device = library.ggml_backend_dev_get(index)
        name = library.ggml_backend_dev_name(device).decode("utf-8", "replace")
        description = library.ggml_backend_dev_description(device).decode("utf-8", "replace")
        found.append(f"{name} ({description.strip()})")
    return found


def gpu_layers(settings: EngineSettings) -> int:
    """Layers to compute on a GPU: all of them unless the user wants fewer; 0 where llama.cpp has no GPU."""
    if not native.llama_supports_gpu_offload():
        return 0
    return _ALL_LAYERS if settings.gpu_layers == "auto" else settings.gpu_layers
