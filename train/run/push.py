"""`umi train push`: the adapters of a finished run into a repository of the Hugging Face hub."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from agent.bundle.hub import parse_repository, upload
from agent.errors import InputError
from train.recipe import STAGES
from train.run.card import FILE as CARD
from train.run.folder import ADAPTER_FILES, FORMAT

ADAPTER = (*ADAPTER_FILES, "stage.json")
"""The files of a stage."""


def push(run: Path, repository: str, say: Callable[[str], None], *, private: bool = False) -> int:
    """Upload the finished run in folder `run` to `repository` (OWNER/NAME) and print its address.

    Adapters, recipe, metrics and model card, and no data: no checkpoints and no held-out rows. Returns the
    exit code. Raises UmiError where the run is not whole or the hub refuses.
    """
    repo = parse_repository(repository, revisions=False)[0]
    print(upload(repo, run_files(run), private=private, say=say))
    return 0


def run_files(run: Path) -> dict[str, Path]:
    """The files of a finished run that are uploaded. Raises InputError naming what is missing or damaged."""
    if not (run / "recipe.json").is_file():
        raise InputError(f"{run} is not a run folder", "give the folder that umi train glpft wrote")
    if not (run / "manifest.json").is_file():
        raise InputError(f"the run in {run} is not finished", "go on with: umi train glpft RECIPE")
    try:
        manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
        stages, version = list(manifest["stages"]), manifest["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{run / 'manifest.json'} is damaged: {error}", "train the run again") from None
    if version != FORMAT or not stages or not set(stages) <= set(STAGES):
        raise InputError(
            f"{run / 'manifest.json'} has format {version} and the stages {', '.join(stages)}, and this umi"
            f" knows {FORMAT} and {', '.join(STAGES)}",
            "update umi, or train the run again",
        )
    for stage in stages:
        _check_adapter(run / stage)
    names = [CARD] if (run / CARD).is_file() else []
    names += ["recipe.json", "manifest.json", *(f"{stage}/{file}" for stage in stages for file in ADAPTER)]
    return {name: run / name for name in names}


def _check_adapter(folder: Path) -> None:
    """Raise InputError where a stage's file is missing, or cut off."""
    from safetensors import SafetensorError, safe_open

    file = folder / ADAPTER[0]
    again = f"train it again: umi train run RECIPE --only {folder.name} --again"
    try:
        for file in (folder / "adapter_config.json", folder / "stage.json"):
            json.loads(file.read_text(encoding="utf-8"))
        file = folder / "adapter_model.safetensors"
        with safe_open(file, "np") as opened:  # compares the file's length with its header
            if not opened.keys():
                raise ValueError("it holds no weights")
    except FileNotFoundError:
        raise InputError(f"{file} is missing", again) from None
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"{file} is damaged: {error}", again) from None
