"""The machine of a benchmark: processor, GPU and versions."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from agent.llama.binding.hardware import processor_name, usable_cores

PACKAGES = ("torch", "transformers", "peft", "bitsandbytes")


def machine(packages: Iterable[str] = PACKAGES) -> dict[str, Any]:
    """Return the processor, cores, threads of torch, GPU (None without one), and versions of `packages`."""
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


def describe(info: dict[str, Any]) -> str:
    """Return the result of `machine` on one line."""
    device = info["gpu"] or f"{info['threads']} threads on {info['cores']} cores, {info['processor']}"
    packages = [f"{name} {info[name]}" for name in (*PACKAGES, "trl") if info.get(name)]
    return f"{device}; {', '.join(packages)}"


def installed_version(package: str) -> str | None:
    """Return the version of an installed package; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
