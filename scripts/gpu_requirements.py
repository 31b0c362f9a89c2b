"""What `make gpu-check` needs: packages, a CUDA GPU, a base. Nothing here loads torch."""

from __future__ import annotations

import ctypes
from importlib.util import find_spec
from pathlib import Path

from agent.bundle.download.bases import find_base
from agent.errors import InputError

BASE = "smollm2-135m"
"""The base that is trained by default, by its name in the catalogue."""
PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "accelerate", "safetensors")
DRIVER = "libcuda.so.1"


def require_packages() -> None:
    """Raise InputError where a package that training needs is not installed."""
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise InputError(f"{', '.join(missing)} not installed", "pip install 'umi-agent[export]'")


def require_gpu() -> None:
    """Raise InputError where NVIDIA's driver is not installed or finds no GPU."""
    count = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL(DRIVER)
        found = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    except (OSError, AttributeError):
        raise InputError(f"no CUDA GPU: {DRIVER} cannot be loaded", _ON_CPU) from None
    if not found or not count.value:
        raise InputError("no CUDA GPU: the driver finds none", _ON_CPU)


_ON_CPU = "run it on a machine with an NVIDIA GPU, or try the script with --device cpu --steps 2"


def find_source(base: str | None) -> Path:
    """Return what to train: a checkpoint folder, or the GGUF file to import as one.

    `base` names either; None is the catalogue's `BASE`, its imported checkpoint where there is one. Raise
    InputError where it is missing.
    """
    if base is None:
        file = find_base(BASE).path
        checkpoint = file.parent / "checkpoint"
        return checkpoint if (checkpoint / "config.json").is_file() else file
    path = Path(base)
    if not path.is_file() and not (path / "config.json").is_file():
        raise InputError(f"{base} is neither a GGUF file nor a checkpoint folder", "name another with --base")
    return path
