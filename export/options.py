"""What an export can be told, and what the making of a layout's files hands back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from agent.transcript import Role

Say = Callable[[str], None]
"""Takes one line of progress."""

MergeBase = Literal["auto", "dequant", "original"]
"""Which weights an adapter is added to; see `export.merge`."""

Layout = Literal["merged", "shared", "single"]
"""A model for each role; one backbone with an activated adapter for each role; one model for all roles."""


@dataclass(frozen=True)
class Options:
    """What `umi export bundle` can be told."""

    types: Mapping[Role, str]
    """The quantization of each role; in the shared layout the same for all."""
    name: str
    layout: Layout | None = None
    """None takes the one that the run's adapters are for."""
    merge_base: MergeBase = "auto"
    grounded: Collection[Role] = ()
    """Roles whose digits are bound to those of the question and its observations."""
    context_length: int = 0
    """In tokens; 0 takes what the base was made for."""
    license: str = ""
    prompts: int = 8
    """Held-out prompts each file is compared on."""


@dataclass(frozen=True)
class Made:
    """The files of a layout, by name, in the bundle that they were made for."""

    models: Mapping[Role, str]
    adapters: Mapping[Role, str] | None
    metrics: Mapping[str, Any]
    """What is to be known of each file: losses, and how it compares with torch."""
