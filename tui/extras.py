"""Commands that live in an optional part of the installation."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from agent.errors import InputError

EXTRAS: dict[str, tuple[str, ...]] = {
    "train": ("torch", "transformers", "peft", "bitsandbytes", "tokenizers", "safetensors"),
    "export": ("torch", "transformers", "peft", "safetensors", "gguf"),
}
"""What each extra brings, by the name it is imported by."""


def missing(extra: str) -> list[str]:
    """The modules of an extra that are not installed."""
    return [name for name in EXTRAS[extra] if find_spec(name) is None]


def run_extra(extra: str, argv: Sequence[str]) -> int:
    """Hand `argv` to the main function of package `extra`; its exit code.

    Raises InputError where the extra is not installed.
    """
    try:
        code = import_module(f"{extra}.__main__").main(list(argv))
    except ModuleNotFoundError as error:
        name = (error.name or "").split(".")[0]
        if name not in EXTRAS[extra]:
            raise
        raise InputError(
            f"`umi {extra}` needs {name}, which is not installed", f"pip install 'umi-agent[{extra}]'"
        ) from None
    return code if isinstance(code, int) else 0
