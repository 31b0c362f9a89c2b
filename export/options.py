"""The options of an export, and the files that the export of a layout returns."""

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
"""Prints one line of progress."""

MergeBase = Literal["auto", "dequant", "original"]
"""Which weights an adapter is added to; see `export.merge.selection`."""

AdapterQuantization = Literal["auto", "f16", "q8_0", "q4_0"]
"""The type of the adapters in a bundle of deltas; see `export.quantize.adapters`."""

Imatrix = Literal["auto", "none"] | Path
"""An importance matrix computed from the role's own data, none, or one read from a file."""


@dataclass(frozen=True)
class Limits:
    """How much a quantized file may lose against its unquantized model."""

    kl: float = 0.02
    """Mean KL divergence, in nats a token."""
    drop: float = 0.02
    """Loss of the role's primary metric (`agent.evaluation.tasks`); that of one turn is allowed."""

    def __post_init__(self) -> None:
        """Raise InputError for a limit that is negative or not finite."""
        for name, value in (("--max-kl", self.kl), ("--max-drop", self.drop)):
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"{name} is {value}", "give a number of at least 0")


@dataclass(frozen=True)
class Options:
    """The options of `umi export bundle`."""

    types: Mapping[Role, str]
    """The quantization of each role, or `auto`; in the shared and single layouts the same for all."""
    name: str
    layout: Layout | None = None
    """None: the one that the run's adapters were trained for."""
    merge_base: MergeBase = "auto"
    grounded: Collection[Role] = ()
    """Roles whose digits are limited to those of the question and its observations."""
    context_length: int = 0
    """In tokens; 0: that of the base model."""
    license: str = ""
    imatrix: Imatrix = "auto"
    prompts: int = 16
    """Held-out turns that each role's files are compared on with their unquantized model."""
    limits: Limits = Limits()
    deltas: bool = False
    """Whether the bundle holds adapters, from which its models are built over a base elsewhere."""
    adapter_type: AdapterQuantization = "auto"
    """The type of those adapters; `auto`: the smallest one that costs no role a part of its score."""

    def __post_init__(self) -> None:
        """Raise InputError for a number out of range."""
        if self.context_length < 0:
            raise InputError(f"--context is {self.context_length}", "give a number of tokens above 0")
        if self.prompts < 1:
            raise InputError(f"--prompts is {self.prompts}", "give at least 1")
        if self.adapter_type != "auto" and not self.deltas:
            raise InputError("--adapter-type is for bundles of deltas", "give --deltas too, or leave it out")


@dataclass(frozen=True)
class LayoutFiles:
    """The names of a layout's files in its bundle's folder."""

    models: Mapping[Role, str]
    adapters: Mapping[Role, str] | None
    metrics: Mapping[str, Any]
    """The report of each file, as JSON: losses, and how it compares with the torch model."""
