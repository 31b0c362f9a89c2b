"""Activated LoRA (aLoRA, arXiv 2504.12397): an adapter is on only from the header of its turn.

All that precedes that header is computed by the backbone alone, so one key-value cache of it serves every
role. An earlier turn of the same role is history like any other, so each target turn is a branch of its
own. peft's own implementation takes one sequence a row; here branches are packed, and the output of a plain
adapter is set to zero where it is off.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from agent.errors import InputError
from agent.prompting import Markers, Tokenize
from agent.transcript import ROLES
from train.model.packing import IGNORE, Packed

if TYPE_CHECKING:
    from numpy.typing import NDArray


def role_headers(tokenize: Tokenize, markers: Markers) -> dict[str, list[int]]:
    """Return the ids that open each role's turns, which are what activates an adapter.

    Raise InputError where one header is the beginning of another.
    """
    headers = {role: tokenize(markers.header(role), True) for role in (*ROLES, "user", "system", "tool")}
    for one, other in permutations(headers, 2):
        if one in ROLES and headers[other][: len(headers[one])] == headers[one]:
            raise InputError(
                f"the base's tokenizer writes the headers of {one} and {other} alike",
                "set markers so that they differ",
            )
    return {role: headers[role] for role in ROLES}


def active_positions(packed: Packed, header: int) -> NDArray[np.bool_]:
    """Return where a role's adapter is on, bool [T]: in each branch from the header of its turn to the end.

    `header` is that header's length in tokens. A branch has one target turn: the header's last token is the
    first position with a label.
    """
    positions = np.arange(len(packed))
    start = np.full(int(packed.branch_ids.max()) + 1, len(packed))
    labelled = packed.targets != IGNORE
    np.minimum.at(start, packed.branch_ids[labelled], positions[labelled] - header + 1)
    return positions >= start[packed.branch_ids]


class AloraMask:
    """Sets the output of one adapter of a peft model to zero at the positions where it is off."""

    def __init__(self, model: Any, adapter: str, header: int) -> None:
        """Register on the layers of `adapter`; `header` is as in `active_positions`."""
        self._header = header
        self._off: Tensor | None = None
        for module in model.modules():
            if adapter in (getattr(module, "lora_B", None) or ()):
                module.lora_B[adapter].register_forward_hook(self._mask_output)

    def set_batch(self, batch: Sequence[Packed], device: torch.device) -> None:
        """Set the positions for a pass over `batch` and its backward pass, which may compute layers again."""
        on = np.concatenate([active_positions(packed, self._header) for packed in batch])
        self._off = torch.from_numpy(~on).to(device)[None, :, None]

    def set_last(self, length: int, active: int, device: torch.device) -> None:
        """Set the adapter on in the last `active` of `length` positions, alike in every row."""
        self._off = (torch.arange(length, device=device) < length - active)[None, :, None]

    def off(self) -> Tensor | None:
        """Return where the adapter is off, bool [1, T, 1]."""
        return self._off

    def _mask_output(self, _module: Any, _inputs: Any, out: Tensor) -> Tensor:
        assert self._off is not None
        return out.masked_fill(self._off, 0.0)
