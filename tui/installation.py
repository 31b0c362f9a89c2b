"""What is installed: the versions of packages, and the extras of the distribution."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

NOT_INSTALLED = "not installed"

_TRAIN = (
    *("torch", "transformers", "peft", "bitsandbytes", "accelerate", "tokenizers", "safetensors"),
    *("jsonschema", "matplotlib", "tqdm"),
)
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "train": _TRAIN,
    "export": _TRAIN,
    "code": ("landlockpy",),
    "fetch": ("selectolax",),
    "mcp": ("mcp", "jsonschema"),
    "embeddings": ("wordllama", "tokenizers", "safetensors"),
    "web": ("textual_serve", "aiohttp"),
    "serve": ("starlette", "uvicorn"),
}
"""The top-level modules that each extra of the distribution installs."""


def installed_version(distribution: str) -> str:
    """Return the version of an installed distribution, or `NOT_INSTALLED`."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return NOT_INSTALLED


def missing_modules(extra: str) -> list[str]:
    """Return the top-level modules of `extra` that are not installed, without importing any."""
    return [name for name in EXTRAS[extra] if find_spec(name) is None]
