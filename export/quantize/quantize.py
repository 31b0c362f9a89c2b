"""The choice of a quantization, and quantizing with an importance matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.errors import InputError
from agent.llama.binding import quantize as llama
from agent.llama.binding.quantize import known_type
from agent.transcript import ROLES, Role
from export.quantize.imatrix import Imatrix

AUTO = "auto"
"""Used in place of a type: the fastest on this machine that loses little."""

AUTO_TYPES = ("q4_0", "iq4_nl", "q4_k_m", "q5_k_m", "q6_k", "q8_0_ffn_q4_0", "q8_0")
"""Types that `auto` chooses among: those with fast kernels on some machine, and those of little loss."""
_WITHOUT_IMATRIX = ("f32", "f16", "bf16", "q8_0")
"""Rounding to these types does not use weights."""
_FINER = {
    **dict.fromkeys(("f16", "bf16"), "f32"),
    "q8_0": "f16",
    "q8_0_ffn_q4_0": "q8_0",
    "q6_k": "q8_0",
    "q5_k_m": "q6_k",
    **dict.fromkeys(("q5_k_s", "q4_k_m"), "q5_k_m"),
    **dict.fromkeys(("q4_k_s", "iq4_nl", "iq4_xs", "q4_0", "q3_k_l", "q3_k_m"), "q4_k_m"),
}


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


def finer(name: str) -> str | None:
    """Return the next finer quantization that is worth trying; None if there is none, as for f32."""
    return _FINER.get(name)


def uses_imatrix(name: str) -> bool:
    """Return whether quantizing to `name` uses an importance matrix."""
    return name not in _WITHOUT_IMATRIX


def quantize(source: Path, target: Path, name: str, imatrix: Imatrix | None = None) -> Path:
    """Write `source` (a GGUF in f32 or f16) to `target` in the quantization `name`; return `target`.

    What `imatrix` was computed on goes into the file's metadata, under the keys that llama.cpp's own program
    uses. Raise EngineError where llama.cpp fails.
    """
    if not imatrix or not uses_imatrix(name):
        return llama.quantize(source, target, name)
    metadata: dict[str, str | int] = {
        "quantize.imatrix.dataset": imatrix.source,
        "quantize.imatrix.entries_count": len(imatrix.values),
    }
    if imatrix.rows:
        metadata["quantize.imatrix.chunks_count"] = imatrix.rows
    return llama.quantize(source, target, name, imatrix=imatrix.values, metadata=metadata)


def _known_type_or_auto(name: str) -> str:
    return AUTO if name.lower() == AUTO else known_type(name)
