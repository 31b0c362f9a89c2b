"""`umi train push`: the adapters of a finished run into a repository of the Hugging Face hub."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from agent.bundle.download.hub import parse_repository, upload
from agent.errors import InputError
from train.recipe import STAGES
from train.run.files import (
    ADAPTER_CONFIG,
    ADAPTER_FILES,
    ADAPTER_WEIGHTS,
    CARD,
    FORMAT,
    MANIFEST,
    RECIPE,
    STAGE,
)
from train.run.finished import read_manifest

STAGE_FILES = (*ADAPTER_FILES, STAGE)


def push(run: Path, repository: str, say: Callable[[str], None], *, private: bool = False) -> int:
    """Upload the finished run in folder `run` to `repository` (OWNER/NAME) and print its address.

    Adapters, recipe, metrics and model card, and no data: no checkpoints and no held-out rows. Returns the
    exit code. Raise UmiError where the run is not whole or the hub refuses.
    """
    repo = parse_repository(repository, revisions=False)[0]
    print(upload(repo, run_files(run), private=private, say=say))
    return 0


def run_files(run: Path) -> dict[str, Path]:
    """Return the files of a finished run to upload. Raise InputError naming what is missing or damaged."""
    manifest = read_manifest(run)
    try:
        stages, version = list(manifest["stages"]), manifest["format"]
    except (KeyError, TypeError) as error:
        raise InputError(f"{run / MANIFEST} is damaged: {error}", "train the run again") from None
    if version != FORMAT or not stages or not set(stages) <= set(STAGES):
        raise InputError(
            f"{run / MANIFEST} has format {version} and the stages {', '.join(stages)}, and this umi"
            f" knows {FORMAT} and {', '.join(STAGES)}",
            "update umi, or train the run again",
        )
    for stage in stages:
        _check_adapter(run / stage)
    names = [CARD] if (run / CARD).is_file() else []
    names += [RECIPE, MANIFEST, *(f"{stage}/{file}" for stage in stages for file in STAGE_FILES)]
    return {name: run / name for name in names}


def _check_adapter(folder: Path) -> None:
    """Raise InputError where a stage's file is missing, or cut off."""
    from safetensors import SafetensorError, safe_open

    file = folder / ADAPTER_CONFIG
    again = f"train it again: umi train run RECIPE --only {folder.name} --again"
    try:
        for file in (folder / ADAPTER_CONFIG, folder / STAGE):
            json.loads(file.read_text(encoding="utf-8"))
        file = folder / ADAPTER_WEIGHTS
        with safe_open(file, "np") as opened:  # compares the file's length with its header
            if not opened.keys():
                raise ValueError("it holds no weights")
    except FileNotFoundError:
        raise InputError(f"{file} is missing", again) from None
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"{file} is damaged: {error}", again) from None
