"""A finished training run as export reads it: its recipe, its metrics, its adapters and held-out rows.

What a run folder holds is JSON and safetensors, so nothing of `train` is imported here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.errors import InputError
from agent.prompts import PROMPT_VERSION, Markers
from agent.rows import read_rows
from agent.transcript import Row

FORMAT = 1
"""The version of run folders that this module reads."""


@dataclass(frozen=True)
class Run:
    """A run folder whose manifest was read."""

    folder: Path
    recipe: Mapping[str, Any]
    stages: Mapping[str, Mapping[str, Any]]
    """Metrics of the backbone and of each role."""
    inputs: Mapping[str, str]
    """sha256 of the files the run was made from."""

    @property
    def base(self) -> Path:
        """The checkpoint folder the adapters were trained on."""
        return Path(self.recipe["base"])

    @property
    def activated(self) -> bool:
        """Whether the roles are activated adapters over the backbone, rather than models of their own."""
        return self.recipe.get("adapter") == "alora"

    @property
    def markers(self) -> Markers:
        """What opens, divides and closes a turn."""
        return Markers(**self.recipe["markers"])

    def held_out(self) -> list[Row]:
        """The rows that were not trained on."""
        return list(read_rows(self.folder / "heldout.jsonl"))


def load_run(folder: Path) -> Run:
    """Read a run folder. Raises InputError where it is no finished run, or its base is not there."""
    if not (folder / "recipe.json").is_file():
        raise InputError(f"{folder} is not a run folder", "give the folder that umi train glpft wrote")
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        raise InputError(f"the run in {folder} is not finished", "go on with: umi train glpft RECIPE")
    try:
        value = json.loads(manifest.read_text(encoding="utf-8"))
        run = Run(folder, value["recipe"], value["stages"], value["inputs"])
        versions = value["format"], value["prompt_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{manifest} is damaged: {error}", "train the run again") from None
    if versions != (FORMAT, PROMPT_VERSION):
        raise InputError(
            f"{folder} has format {versions[0]} and prompt version {versions[1]}, and this umi reads"
            f" {FORMAT} and {PROMPT_VERSION}",
            "train it again with this version",
        )
    if not (run.base / "config.json").is_file():
        raise InputError(f"the run's base {run.base} is not there", "run the command from the same folder")
    return run
