"""Quantization of a GGUF file by llama.cpp, in this process, and the choice of its type."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

from agent.errors import EngineError, InputError
from agent.llama.hardware import usable_cores
from agent.llama.log import clear_errors, first_error
from agent.transcript import ROLES, Role
from export.quantize.imatrix import Imatrix

TYPES: Mapping[str, int] = {
    "f32": 0,
    "f16": llama_cpp.LLAMA_FTYPE_MOSTLY_F16,
    "bf16": llama_cpp.LLAMA_FTYPE_MOSTLY_BF16,
    "q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0,
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
AUTO = "auto"
"""In place of a type: one is searched for the role."""

_WITHOUT_IMATRIX = ("f32", "f16", "bf16", "q8_0")
"""Rounding to these types does not use weights."""
_FINER = {
    **dict.fromkeys(("f16", "bf16"), "f32"),
    "q8_0": "f16",
    "q6_k": "q8_0",
    "q5_k_m": "q6_k",
    **dict.fromkeys(("q5_k_s", "q4_k_m"), "q5_k_m"),
    **dict.fromkeys(("q4_k_s", "iq4_nl", "iq4_xs", "q4_0", "q3_k_l", "q3_k_m"), "q4_k_m"),
}
_TEXT_BYTES = 127
"""The longest text of a metadata override of llama.cpp, without its terminating zero."""


def known_type(name: str) -> str:
    """Return `name` in lower case. Raise InputError, listing the types, where it is none of them."""
    if name.lower() not in TYPES:
        raise InputError(f"unknown quantization {name!r}", f"choose one of {', '.join(TYPES)}")
    return name.lower()


def types_by_role(choices: Sequence[str]) -> dict[Role, str]:
    """Return the type of each role from options `TYPE` and `ROLE=TYPE`; the latter take precedence.

    A role without one has `auto`, which may also be given. Raise InputError for an unknown role or type.
    """
    general, own = AUTO, {}
    for choice in choices:
        role, equals, name = choice.partition("=")
        if not equals:
            general = _known_type_or_auto(choice)
        elif role not in ROLES:
            raise InputError(f"unknown role {role}", f"choose one of {', '.join(ROLES)}")
        else:
            own[role] = _known_type_or_auto(name)
    return {role: own.get(role, general) for role in ROLES}


def default_type(parameters: int, role: str) -> str:
    """Return the type that is tried first for a role's model with `parameters` weights.

    Small models lose arguments at 4 bits (one author's figures for Qwen3-0.6B: .605 right at 16 bits, .610 at
    q8_0, .609 at q5_k_m, .575 at q4_k_m), so the caller gets the next finer one; q8_0 loses nothing.
    """
    kind = "q8_0" if parameters < 1e9 else "q5_k_m" if parameters <= 2e9 else "q4_k_m"
    return _FINER[kind] if role == "caller" and kind != "q8_0" else kind


def finer(name: str) -> str | None:
    """Return the next finer quantization that is worth trying; None if there is none, as for f32."""
    return _FINER.get(name)


def uses_imatrix(name: str) -> bool:
    """Return whether quantizing to `name` uses an importance matrix."""
    return name not in _WITHOUT_IMATRIX


def quantize(source: Path, target: Path, name: str, imatrix: Imatrix | None = None) -> Path:
    """Write `source` (a GGUF in f32 or f16) to `target` in the quantization `name`; returns `target`.

    What `imatrix` was computed on goes into the file's metadata, under the keys that llama.cpp's own program
    uses. Raises EngineError.
    """
    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype = TYPES[known_type(name)]
    settings.nthread = usable_cores()
    if imatrix and uses_imatrix(name):
        # Kept in a name until the call is done: llama.cpp only holds pointers to them.
        arrays = {key: np.ascontiguousarray(values, np.float32) for key, values in imatrix.values.items()}
        entries = _entries(arrays)
        overrides = _metadata(imatrix)
        settings.imatrix = entries
        settings.kv_overrides = overrides
    clear_errors()
    failed = llama_cpp.llama_model_quantize(
        str(source).encode(), str(target).encode(), ctypes.pointer(settings)
    )
    if failed:
        target.unlink(missing_ok=True)
        raise EngineError(
            f"{source} cannot be made {name}: {first_error()}", "check the file and the free space"
        )
    return target


def _known_type_or_auto(name: str) -> str:
    return AUTO if name.lower() == AUTO else known_type(name)


def _entries(arrays: Mapping[str, Any]) -> Any:
    """Return the importance matrix as llama.cpp takes it; an entry without a name ends it."""
    entries = (llama_cpp.llama_model_imatrix_data * (len(arrays) + 1))()
    for entry, (name, values) in zip(entries, arrays.items(), strict=False):
        entry.name = name.encode()
        entry.data = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        entry.size = len(values)
    return entries


def _metadata(imatrix: Imatrix) -> Any:
    """Return metadata on the importance matrix as llama.cpp takes it; an entry without a key ends it."""
    text = imatrix.source.encode()[:_TEXT_BYTES].decode("utf-8", "ignore").encode()
    values: dict[str, bytes | int] = {
        "quantize.imatrix.dataset": text,
        "quantize.imatrix.entries_count": len(imatrix.values),
    }
    if imatrix.rows:
        values["quantize.imatrix.chunks_count"] = imatrix.rows
    overrides = (llama_cpp.llama_model_kv_override * (len(values) + 1))()
    for override, (key, value) in zip(overrides, values.items(), strict=False):
        override.key = key.encode()
        if isinstance(value, bytes):
            override.tag = llama_cpp.LLAMA_KV_OVERRIDE_TYPE_STR
            override.value.val_str = value
        else:
            override.tag = llama_cpp.LLAMA_KV_OVERRIDE_TYPE_INT
            override.value.val_i64 = value
    return overrides
