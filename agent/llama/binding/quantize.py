"""Quantization of a GGUF file by llama.cpp, in this process."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from agent.errors import EngineError, InputError
from agent.llama.binding.hardware import usable_cores
from agent.llama.binding.log import clear_errors, first_error
from agent.llama.gguf.rules import require_sound_model

TYPES: Mapping[str, int] = {
    "f32": 0,
    "f16": llama_cpp.LLAMA_FTYPE_MOSTLY_F16,
    "bf16": llama_cpp.LLAMA_FTYPE_MOSTLY_BF16,
    "q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0,
    "q8_0_ffn_q4_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0,
    "q6_k": llama_cpp.LLAMA_FTYPE_MOSTLY_Q6_K,
    "q5_k_m": llama_cpp.LLAMA_FTYPE_MOSTLY_Q5_K_M,
    "q5_k_s": llama_cpp.LLAMA_FTYPE_MOSTLY_Q5_K_S,
    "q4_k_m": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M,
    "q4_k_s": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_S,
    "iq4_nl": llama_cpp.LLAMA_FTYPE_MOSTLY_IQ4_NL,
    "iq4_xs": llama_cpp.LLAMA_FTYPE_MOSTLY_IQ4_XS,
    "q4_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0,
    "q3_k_l": llama_cpp.LLAMA_FTYPE_MOSTLY_Q3_K_L,
    "q3_k_m": llama_cpp.LLAMA_FTYPE_MOSTLY_Q3_K_M,
}
"""llama.cpp's numbers of the quantization types by name, the finest first."""
_MIXED: Mapping[str, Mapping[str, int]] = {"q8_0_ffn_q4_0": {"ffn_(gate|up)": llama_cpp.GGML_TYPE_Q4_0}}
"""Mixed types: the ggml types of tensors whose names a regular expression is found in, beside the file's."""
_TEXT_BYTES = 127
"""The longest text of a metadata override of llama.cpp, without its terminating zero."""


def known_type(name: str) -> str:
    """Return `name` in lower case. Raise InputError, listing the types, where it is none of them."""
    if name.lower() not in TYPES:
        raise InputError(f"unknown quantization {name!r}", f"choose one of {', '.join(TYPES)}")
    return name.lower()


def quantize(
    source: Path,
    target: Path,
    name: str,
    *,
    imatrix: Mapping[str, NDArray[Any]] | None = None,
    metadata: Mapping[str, str | int] | None = None,
) -> Path:
    """Write `source` (a GGUF file in f32 or f16) to `target` in the quantization `name`; return `target`.

    `imatrix` holds a weight of each input of a tensor's rows, by the tensor's name; `metadata` is added to
    the file's. Raise BundleError where values of `source` would make llama.cpp end the process, and
    EngineError where it fails; `target` is removed then.
    """
    require_sound_model(source)
    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype = TYPES[known_type(name)]
    settings.nthread = usable_cores()
    # Kept in names until the call is done: llama.cpp only holds pointers to them.
    arrays = {key: np.ascontiguousarray(values, np.float32) for key, values in (imatrix or {}).items()}
    entries, overrides = _entries(arrays), _overrides(metadata or {})
    tensor_types = _tensor_types(_MIXED.get(known_type(name), {}))
    settings.tt_overrides = tensor_types
    if arrays:
        settings.imatrix = entries
    if metadata:
        settings.kv_overrides = overrides
    clear_errors()
    try:
        failed = llama_cpp.llama_model_quantize(
            str(source).encode(), str(target).encode(), ctypes.pointer(settings)
        )
    except BaseException:  # Ctrl-C is raised when the call returns
        target.unlink(missing_ok=True)
        raise
    if failed:
        target.unlink(missing_ok=True)
        raise EngineError(
            f"{source} cannot be made {name}: {first_error()}", "check the file and the free space"
        )
    return target


def _entries(arrays: Mapping[str, Any]) -> Any:
    """Return the importance matrix as llama.cpp takes it; an entry without a name ends it."""
    entries = (llama_cpp.llama_model_imatrix_data * (len(arrays) + 1))()
    for entry, (name, values) in zip(entries, arrays.items(), strict=False):
        entry.name = name.encode()
        entry.data = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        entry.size = len(values)
    return entries


def _tensor_types(types: Mapping[str, int]) -> Any:
    """Return types by pattern as llama.cpp takes them; an entry without a pattern ends them."""
    entries = (llama_cpp.llama_model_tensor_override * (len(types) + 1))()
    for entry, (pattern, kind) in zip(entries, types.items(), strict=False):
        entry.pattern = pattern.encode()
        entry.type = kind
    return entries


def _overrides(metadata: Mapping[str, str | int]) -> Any:
    """Return metadata as llama.cpp takes it, texts cut to 127 bytes; an entry without a key ends it."""
    overrides = (llama_cpp.llama_model_kv_override * (len(metadata) + 1))()
    for override, (key, value) in zip(overrides, metadata.items(), strict=False):
        override.key = key.encode()
        if isinstance(value, str):
            override.tag = llama_cpp.LLAMA_KV_OVERRIDE_TYPE_STR
            override.value.val_str = value.encode()[:_TEXT_BYTES].decode("utf-8", "ignore").encode()
        else:
            override.tag = llama_cpp.LLAMA_KV_OVERRIDE_TYPE_INT
            override.value.val_i64 = value
    return overrides
