"""Activated LoRA: a role's adapter that is on only from the header of the turn being learnt.

All that precedes that header is then computed as by the backbone alone, so one cache of it serves every role.
An earlier turn of the same role is history like any other; so each turn is learnt in a branch of its own.
peft's own activated LoRA does the same with one sequence a row; here the branches stay packed, and a plain
adapter is held back wherever it is off.
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
    """The ids that open each role's turns, and switch an activated adapter on.

    Raises InputError where a role's header could be taken for another turn's.
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
    """Where a role's adapter is on, bool [T]: in each branch from the header of its turn to the branch's end.

    `header` is that header's length in tokens. A branch learns one turn: the header's last token is the first
    position with a label.
    """
    positions = np.arange(len(packed))
    start = np.full(int(packed.branch_ids.max()) + 1, len(packed))
    labelled = packed.targets != IGNORE
    np.minimum.at(start, packed.branch_ids[labelled], positions[labelled] - header + 1)
    return positions >= start[packed.branch_ids]


class AloraGate:
    """Holds back one adapter of a peft model where it is off: its output there is zero."""

    def __init__(self, model: Any, adapter: str, header: int) -> None:
        """Put the gate on `adapter`, which must be part of `model`; `header` as for `active_positions`."""
        self._header = header
        self._off: Tensor | None = None
        for module in model.modules():
            if adapter in (getattr(module, "lora_B", None) or ()):
                module.lora_B[adapter].register_forward_hook(self._hold_back)

    def set(self, batch: Sequence[Packed], device: torch.device) -> None:
        """Be open for the pass over `batch`, and for its backward pass, which may compute layers again."""
        on = np.concatenate([active_positions(packed, self._header) for packed in batch])
        self._off = torch.from_numpy(~on).to(device)[None, :, None]

    def open(self, length: int, last: int, device: torch.device) -> None:
        """Be open in the `last` of `length` columns, in every row of a batch."""
        self._off = (torch.arange(length, device=device) < length - last)[None, :, None]

    def _hold_back(self, _module: Any, _given: Any, out: Tensor) -> Tensor:
        assert self._off is not None
        return out.masked_fill(self._off, 0.0)
