"""Checkpoints: files of torch tensors, written atomically."""

from __future__ import annotations

import os
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from agent.errors import InputError, UmiError
from agent.paths import replacing


def load_checkpoint(path: Path) -> Any:
    """Return what `save_checkpoint` wrote, on the CPU. Raise InputError where the file is damaged."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else "it is cut off"
        raise InputError(
            f"{path} cannot be read: {reason}",
            "remove it and give the same command again; the stage begins anew",
        ) from None


def save_checkpoint(path: Path, value: Any) -> None:
    """Save `value` with torch, atomically: a killed process leaves the old file or the new one.

    Raise UmiError where the file cannot be written.
    """
    try:
        with replacing(path) as partial, partial.open("wb") as file:
            torch.save(value, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise UmiError(
            f"{path} cannot be written: {reason}",
            "make room and give the same command again; it goes on there",
        ) from None
