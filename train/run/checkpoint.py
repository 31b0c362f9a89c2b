"""A file of tensors that is there whole, or as it was before."""

from __future__ import annotations

import os
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from agent.errors import InputError, UmiError


def load_whole(path: Path) -> Any:
    """What `save_whole` wrote, on the CPU. Raises InputError where the file is damaged."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else "it is cut off"
        raise InputError(
            f"{path} cannot be read: {reason}",
            "remove it and give the same command again; the stage begins anew",
        ) from None


def save_whole(path: Path, value: Any) -> None:
    """`torch.save` that leaves either the old file or the new one, whenever it is killed.

    Raises UmiError where the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            torch.save(value, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except (OSError, RuntimeError) as error:
        part.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise UmiError(
            f"{path} cannot be written: {reason}",
            "make room and give the same command again; it goes on there",
        ) from None
