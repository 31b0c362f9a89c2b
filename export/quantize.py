"""A GGUF file in fewer bits, by llama.cpp itself, in this process."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import llama_cpp

from agent.errors import EngineError, InputError
from agent.transcript import ROLES, Role
from export.native import complaint, hush

TYPES: Mapping[str, int] = {
    "f32": 0,
    "f16": llama_cpp.LLAMA_FTYPE_MOSTLY_F16,
    "q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0,
    "q6_k": llama_cpp.LLAMA_FTYPE_MOSTLY_Q6_K,
    "q5_k_m": llama_cpp.LLAMA_FTYPE_MOSTLY_Q5_K_M,
    "q4_k_m": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M,
    "iq4_xs": llama_cpp.LLAMA_FTYPE_MOSTLY_IQ4_XS,
}
"""Quantizations by name, with llama.cpp's numbers."""


def known_type(name: str) -> str:
    """`name` in lower case. Raises InputError listing the types where it is none of them."""
    if name.lower() not in TYPES:
        raise InputError(f"unknown quantization {name}", f"choose one of {', '.join(TYPES)}")
    return name.lower()


def types_by_role(choices: Sequence[str], default: str = "q8_0") -> dict[Role, str]:
    """The quantization of each role from `TYPE` and `ROLE=TYPE` choices; the role's own comes first."""
    general, own = default, {}
    for choice in choices:
        role, equals, name = choice.partition("=")
        if not equals:
            general = known_type(choice)
        elif role not in ROLES:
            raise InputError(f"unknown role {role}", f"choose one of {', '.join(ROLES)}")
        else:
            own[role] = known_type(name)
    return {role: own.get(role, known_type(general)) for role in ROLES}


def quantize(source: Path, target: Path, name: str) -> Path:
    """Write `source` (a GGUF in f32 or f16) to `target` in the quantization `name`. Raises EngineError."""
    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype = TYPES[known_type(name)]
    settings.nthread = os.cpu_count() or 1
    hush()
    failed = llama_cpp.llama_model_quantize(
        str(source).encode(), str(target).encode(), ctypes.pointer(settings)
    )
    if failed:
        target.unlink(missing_ok=True)
        raise EngineError(
            f"{source} cannot be made {name}: {complaint()}", "check the file and the free space"
        )
    return target
