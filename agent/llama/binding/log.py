"""llama.cpp's log: errors are kept in memory, so that exceptions can quote them; nothing goes to stderr.

The callback is installed when this module is imported, and every module that calls llama.cpp imports it.
"""

from __future__ import annotations

import ctypes
from collections import deque

from llama_cpp import llama_cpp as native

_ERROR_LEVEL = 4
"""GGML_LOG_LEVEL_ERROR."""

_errors: deque[str] = deque(maxlen=8)


def _record_error(level: int, text: bytes, _data: object) -> None:
    if level == _ERROR_LEVEL:
        _errors.append(text.decode("utf-8", "replace").strip())


_callback = native.llama_log_callback(_record_error)
"""Kept for the life of the process: llama.cpp holds a pointer to it."""
native.llama_log_set(_callback, ctypes.c_void_p(0))


def clear_errors() -> None:
    """Forget the recorded errors; call it before a function of llama.cpp whose failure is to be explained."""
    _errors.clear()


def first_error() -> str:
    """Return the first error since `clear_errors`; those after it only repeat that the call failed."""
    message = next((line for line in _errors if line), "llama.cpp gave no reason")
    return message.rpartition("error loading model: ")[2]
