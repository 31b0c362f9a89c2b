"""Commands that live in an optional part of the installation."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from agent.extras import EXTRAS


def missing(extra: str) -> list[str]:
    """The modules of an extra that are not installed."""
    return [name for name in EXTRAS[extra] if find_spec(name) is None]


def run_extra(extra: str, argv: Sequence[str]) -> int:
    """Hand `argv` to the main function of package `extra`; its exit code."""
    return import_module(f"{extra}.__main__").main(list(argv))
