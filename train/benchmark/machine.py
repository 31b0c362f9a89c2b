"""What figures were measured on: processor, GPU and versions."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from agent.llama.hardware import processor_name, usable_cores

PACKAGES = ("torch", "transformers", "peft", "bitsandbytes")


def machine(packages: Iterable[str] = PACKAGES) -> dict[str, Any]:
    """Processor, cores, threads of torch, GPU (None without one), and the versions of `packages`."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "processor": processor_name(),
        "cores": usable_cores(),
        "threads": torch.get_num_threads(),
        "gpu": gpu,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: installed_version(name) for name in packages},
    }


def describe(what: dict[str, Any]) -> str:
    """`machine()` on one line."""
    where = what["gpu"] or f"{what['threads']} threads on {what['cores']} cores, {what['processor']}"
    packages = [f"{name} {what[name]}" for name in (*PACKAGES, "trl") if what.get(name)]
    return f"{where}; {', '.join(packages)}"


def installed_version(package: str) -> str | None:
    """The version of an installed package; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
