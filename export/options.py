"""What an export can be told, and what the making of a layout's files hands back."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agent.bundle.manifest import Layout
from agent.errors import InputError
from agent.transcript import Role

Say = Callable[[str], None]
"""Takes one line of progress."""

MergeBase = Literal["auto", "dequant", "original"]
"""Which weights an adapter is added to; see `export.merge.select`."""

Imatrix = Literal["auto", "none"] | Path
"""An importance matrix of the role's own data, none at all, or one out of a file."""


@dataclass(frozen=True)
class Limits:
    """What a quantized file may lose against its unquantized model."""

    kl: float = 0.02
    """Mean KL divergence, in nats a token."""
    drop: float = 0.02
    """Of the role's headline measure (`agent.evaluation.tasks.headline`), where more than one turn is lost."""

    def __post_init__(self) -> None:
        """Raise InputError for what limits nothing, or lets nothing pass."""
        for name, value in (("--max-kl", self.kl), ("--max-drop", self.drop)):
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"{name} is {value}", "give a number of at least 0")


@dataclass(frozen=True)
class Options:
    """What `umi export bundle` can be told."""

    types: Mapping[Role, str]
    """The quantization of each role, or `auto`; in the shared and single layouts the same for all."""
    name: str
    layout: Layout | None = None
    """None takes the one that the run's adapters are for."""
    merge_base: MergeBase = "auto"
    grounded: Collection[Role] = ()
    """Roles whose digits are bound to those of the question and its observations."""
    context_length: int = 0
    """In tokens; 0 takes what the base was made for."""
    license: str = ""
    imatrix: Imatrix = "auto"
    prompts: int = 16
    """Held-out turns that each role's files are compared on."""
    limits: Limits = Limits()


@dataclass(frozen=True)
class LayoutFiles:
    """The files of a layout, by name, in the bundle that they were made for."""

    models: Mapping[Role, str]
    adapters: Mapping[Role, str] | None
    metrics: Mapping[str, Any]
    """What is to be known of each file: losses, and how it compares with torch."""
