"""The rotary position embedding (rope) of a checkpoint, whichever version of transformers wrote its config.

Version 5 keeps everything under `rope_parameters`, for models with two kinds of layers once for each kind;
version 4 keeps `rope_theta` beside `rope_scaling`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from agent.errors import InputError


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
