"""The rotary position embedding (rope) of a checkpoint or a GGUF file.

transformers 5 keeps everything under `rope_parameters`, for models with two kinds of layers once for each
kind; version 4 keeps `rope_theta` beside `rope_scaling`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gguf
import numpy as np
from gguf import Keys
from numpy.typing import NDArray

from agent.errors import InputError
from export.gguf.reader import GgufFile

ROPE_FACTORS = "rope_freqs.weight"
"""llama.cpp's name of the tensor that scales the frequencies of a Llama 3.1."""
_THETA = 10000.0
"""llama.cpp's base where a file names none."""
_LLAMA3_CONTEXTS = tuple(1 << bits for bits in range(4, 21))
_LLAMA3_LOW, _LLAMA3_HIGH = 1.0, 4.0


@dataclass(frozen=True)
class Rope:
    """The base of the rotary frequencies, and their scaling."""

    theta: float
    local_theta: float | None
    """The base in layers with a sliding window, where it differs."""
    kind: str
    """`default`, `linear` or `llama3`."""
    settings: Mapping[str, Any]

    def write(self, writer: gguf.GGUFWriter) -> None:
        """Add the rope to a GGUF file's metadata; the scaling of `llama3` is a tensor (`llama3_factors`)."""
        writer.add_rope_freq_base(self.theta)
        if self.local_theta is not None:
            writer.add_rope_freq_base_swa(self.local_theta)
        if self.kind == "linear":
            writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
            writer.add_rope_scaling_factor(self.settings["factor"])

    def to_config(self) -> dict[str, Any]:
        """Return it as `rope_parameters` of a config.json."""
        full = {**self.settings, "rope_type": self.kind, "rope_theta": self.theta}
        if self.local_theta is None:
            return full
        sliding = {"rope_type": "default", "rope_theta": self.local_theta}
        return {"full_attention": full, "sliding_attention": sliding}


def read_rope(config: Mapping[str, Any], theta: float, local_theta: float | None, where: str) -> Rope:
    """Return a config's rope; `theta` and `local_theta` are the bases where it names none.

    Raise InputError naming `where` for a scaling that llama.cpp does not apply in the same way.
    """
    parameters = config.get("rope_parameters") or config.get("rope_scaling") or {}
    full = parameters.get("full_attention") or parameters
    sliding = parameters.get("sliding_attention") or {}
    kind = full.get("rope_type") or full.get("type") or "default"
    if kind not in ("default", "linear", "llama3"):
        raise InputError(f"{where} scales its positions ({kind})", "known are linear and llama3")
    if (full.get("partial_rotary_factor") or config.get("partial_rotary_factor") or 1) != 1:
        raise InputError(f"{where} turns only a part of each head", "only whole heads can be converted")
    if local_theta is not None:
        local_theta = sliding.get("rope_theta") or config.get("rope_local_base_freq") or local_theta
    return Rope(full.get("rope_theta") or config.get("rope_theta") or theta, local_theta, kind, full)


def llama3_factors(rope: Rope, width: int) -> NDArray[np.float32]:
    """Return the divisors of the `width // 2` frequencies in Llama 3.1, float32.

    Long wavelengths are multiplied by `factor`, short ones stay, those between are interpolated
    (`_compute_llama3_parameters` in transformers' modeling_rope_utils.py).
    """
    frequencies = rope.theta ** -(np.arange(0, width, 2, dtype=np.float32) / np.float32(width))
    factor, low, high = (rope.settings[key] for key in ("factor", "low_freq_factor", "high_freq_factor"))
    context = rope.settings["original_max_position_embeddings"]
    wavelengths = 2 * math.pi / frequencies
    smooth = (context / wavelengths - low) / (high - low)
    interpolated = 1 / ((1 - smooth) / factor + smooth)
    return np.where(
        wavelengths < context / high, 1, np.where(wavelengths > context / low, factor, interpolated)
    ).astype(np.float32)


def read_gguf_rope(file: GgufFile, arch: str, width: int, local_theta: float | None) -> Rope:
    """Return the rope of a GGUF file whose heads have `width` elements; `local_theta` is as in `read_rope`.

    Raise InputError where transformers does not scale positions in the same way.
    """
    theta = shortest_decimal(file.value(Keys.Rope.FREQ_BASE.format(arch=arch), float, _THETA))
    if local_theta is not None:
        local_theta = shortest_decimal(
            file.value(Keys.Rope.FREQ_BASE_SWA.format(arch=arch), float, local_theta)
        )
    factor = file.value(Keys.Rope.SCALING_FACTOR.format(arch=arch), float, 0.0)
    kind = file.value(Keys.Rope.SCALING_TYPE.format(arch=arch), str, "linear" if factor else "none")
    factors = file.tensors.get(ROPE_FACTORS)
    if kind not in ("none", "linear") or (factors and kind == "linear" and factor not in (0.0, 1.0)):
        raise InputError(f"{file.path} scales its positions ({kind})", "known are linear and llama3")
    if factors:
        found = np.concatenate([*factors.blocks()])
        return Rope(theta, local_theta, "llama3", _fit_llama3(found, theta, width, str(file.path)))
    if kind == "linear" and factor not in (0.0, 1.0):
        return Rope(theta, local_theta, "linear", {"factor": shortest_decimal(factor)})
    return Rope(theta, local_theta, "default", {})


def _fit_llama3(factors: NDArray[np.float32], theta: float, width: int, where: str) -> dict[str, Any]:
    """Return the settings that `llama3_factors` makes `factors` of. Raise InputError where there are none.

    Factors stay the same where the context and both limits are multiplied by one number, so the lower limit
    may be taken to be 1; the upper one is 4 in every Llama.
    """
    for context in _LLAMA3_CONTEXTS:
        settings = {
            "factor": shortest_decimal(float(factors.max(initial=1))),
            "low_freq_factor": _LLAMA3_LOW,
            "high_freq_factor": _LLAMA3_HIGH,
            "original_max_position_embeddings": context,
        }
        made = llama3_factors(Rope(theta, None, "llama3", settings), width)
        if made.shape == factors.shape and np.allclose(made, factors, rtol=1e-5, atol=0):
            return settings
    raise InputError(f"{where} scales its positions by factors of its own", "known are linear and llama3")


def shortest_decimal(value: float) -> float:
    """Return the number of the fewest digits that is `value` in float32: 1e-06 for 9.99999997e-07."""
    return float(str(np.float32(value)))
