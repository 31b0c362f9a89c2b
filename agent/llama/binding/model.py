"""A GGUF model in memory and its vocabulary, as thin wrappers over llama.cpp's functions.

Nothing here knows of roles, prompts or grammars. A model is freed by `close`, never by the garbage collector.
"""

from __future__ import annotations

import ctypes
import os
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

from llama_cpp import llama_cpp as native
from llguidance import LLTokenizer
from llguidance.llamacpp import lltokenizer_from_vocab

from agent.config import EngineSettings
from agent.errors import BundleError, EngineError
from agent.llama.binding.log import clear_errors, first_error
from agent.llama.gguf.rules import require_sound_model

_ALL_LAYERS = 999
"""More layers than any model has."""


class Vocabulary:
    """The vocabulary of a model and its tokenizer. Usable until the model is closed."""

    def __init__(self, handle: native.llama_vocab_p) -> None:
        self._handle = handle
        self.size = native.llama_vocab_n_tokens(handle)
        self._tokenize = lru_cache(maxsize=512)(self._tokenize_uncached)
        self._piece = lru_cache(maxsize=4096)(self._piece_uncached)

    def tokenize(self, text: str, special: bool) -> list[int]:
        """Return the token ids of `text`, without BOS.

        With `special`, names of control tokens become those tokens. Raise EngineError where llama.cpp fails.
        """
        return list(self._tokenize(text, special))

    def piece(self, token: int) -> bytes:
        """Return the bytes of `token`: a piece of UTF-8 text, empty for control tokens."""
        return self._piece(token)

    def is_control(self, token: int) -> bool:
        """Return whether `token` is a control token, which plain text never produces."""
        return bool(native.llama_vocab_is_control(self._handle, token))

    def is_end(self, token: int) -> bool:
        """Return whether `token` ends a generation (llama.cpp's EOG tokens)."""
        return bool(native.llama_vocab_is_eog(self._handle, token))

    @property
    def bos(self) -> int:
        """The id of the beginning-of-sequence token; -1 where there is none."""
        return int(native.llama_vocab_bos(self._handle))  # type: ignore[arg-type]

    @property
    def eos(self) -> int:
        """The id of the end-of-sequence token; -1 where there is none."""
        return int(native.llama_vocab_eos(self._handle))  # type: ignore[arg-type]

    @property
    def turn_end(self) -> int:
        """The id of the end-of-turn token, or of the end-of-sequence token where there is none."""
        turn = int(native.llama_vocab_eot(self._handle))  # type: ignore[arg-type]
        return turn if turn >= 0 else self.eos

    @property
    def adds_bos(self) -> bool:
        """Whether the model expects `bos` at the beginning of a text."""
        return self.bos >= 0 and bool(native.llama_vocab_get_add_bos(self._handle))

    def text(self, token: int) -> str:
        """Return the text of `token` as the vocabulary spells it; empty for -1."""
        if token < 0:
            return ""
        return (native.llama_vocab_get_text(self._handle, token) or b"").decode("utf-8", "replace")

    def grammar_tokenizer(self, end: int) -> LLTokenizer:
        """Return llguidance's tokenizer with `end` as its only end token. Takes about 7 µs for each token.

        Raise BundleError where llguidance can do nothing with the vocabulary.
        """
        with warnings.catch_warnings():
            # llguidance 1.9 asks for token attributes by a name that llama-cpp-python 0.3.36 deprecates.
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                return lltokenizer_from_vocab(self._handle, eos_token=end)
            except ValueError as error:
                raise BundleError(
                    f"the model's vocabulary cannot be used: {' '.join(str(error).split())}",
                    "take another model",
                ) from None

    def _tokenize_uncached(self, text: str, special: bool) -> tuple[int, ...]:
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

    def _piece_uncached(self, token: int) -> bytes:
        buffer = ctypes.create_string_buffer(256)
        count = native.llama_token_to_piece(self._handle, token, buffer, len(buffer), 0, False)
        if count < 0:
            buffer = ctypes.create_string_buffer(-count)
            count = native.llama_token_to_piece(self._handle, token, buffer, len(buffer), 0, False)
        return buffer.raw[: max(count, 0)]


class Model:
    """A GGUF file in memory (mapped, not copied, where the system can do so)."""

    def __init__(self, path: Path, *, gpu_layers: int = 0, hint: str = "") -> None:
        """Load `path`, with `gpu_layers` of its layers on a GPU.

        Raise BundleError, whose next step is `hint`, where its header is damaged or llama.cpp cannot load it.
        """
        require_sound_model(path, hint)
        params = native.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        self.path = path
        clear_errors()
        handle = native.llama_model_load_from_file(os.fsencode(path), params)
        if not handle:
            raise BundleError(f"llama.cpp cannot load {path}: {first_error()}", hint)
        self._handle: native.llama_model_p | None = handle
        vocabulary = native.llama_model_get_vocab(handle)
        if not vocabulary:
            self.close()
            raise BundleError(f"{path} has no vocabulary", hint)
        self.vocabulary = Vocabulary(vocabulary)

    @property
    def handle(self) -> native.llama_model_p:
        """llama.cpp's pointer to the model. Raise EngineError once it is closed."""
        if self._handle is None:
            raise EngineError("the models are closed")
        return self._handle

    def close(self) -> None:
        """Free the model, after its contexts have been closed. May be called twice."""
        if self._handle is not None:
            native.llama_model_free(self._handle)
            self._handle = None

    @property
    def is_recurrent(self) -> bool:
        """Whether some layers keep a recurrent state, so that positions cannot be removed from the cache."""
        return bool(native.llama_model_is_recurrent(self.handle) or native.llama_model_is_hybrid(self.handle))

    def metadata(self, key: str) -> str:
        """Return a value of the file's metadata as text, up to 1,023 bytes; empty where there is none."""
        return metadata_value(native.llama_model_meta_val_str, self.handle, key)

    @property
    def chat_template(self) -> str:
        """The Jinja source of the model's chat template; empty where there is none."""
        return (native.llama_model_chat_template(self.handle, None) or b"").decode("utf-8", "replace")

    @property
    def declared_context(self) -> int:
        """The context length, in tokens, that the model was trained with."""
        return native.llama_model_n_ctx_train(self.handle)


def metadata_value(function: Any, handle: Any, key: str) -> str:
    """Return the metadata value of `key` by llama.cpp's `function` for models or adapters; empty for none."""
    buffer = ctypes.create_string_buffer(1024)
    found = function(handle, key.encode(), buffer, len(buffer)) >= 0
    return buffer.value.decode("utf-8", "replace") if found else ""


def gpu_layers(settings: EngineSettings) -> int:
    """Return how many layers to compute on a GPU: all or as many as the settings say; 0 without a GPU."""
    if not native.llama_supports_gpu_offload():
        return 0
    return _ALL_LAYERS if settings.gpu_layers == "auto" else settings.gpu_layers
