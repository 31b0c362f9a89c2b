"""The provenance of a GGUF file in its metadata: its base, its adapters and its recipe.

Paths are left out, since files are shared.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gguf

from agent.prompting import PROMPT_VERSION
from agent.transcript import ROLES
from train.run.files import BACKBONE
from train.run.finished import Run

Extra = Mapping[str, str | bool | int | Sequence[str]]
"""Metadata of a GGUF file by key: texts, flags, counts, and lists of texts that are not empty."""

ADAPTER_FILES = "umi.adapter_files"
"""The key of the list of adapter files that a file was made of."""
_HUB = "https://huggingface.co/"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_HUB_CACHE = re.compile(r"models--([\w.-]+?)--([\w.-]+)/snapshots/[0-9a-f]{40}/?\Z", re.ASCII)
_FOLDER_NAMES = frozenset(
    (
        "base",
        "bases",
        "checkpoints",
        "data",
        "downloads",
        "hf",
        "hub",
        "model",
        "models",
        "out",
        "runs",
        "tmp",
    )
)
"""Names of folders that hold models; `models/NAME` is a path, not a repository."""


def provenance(run: Run, stage: str, base: Mapping[str, str], merge_base: str, license: str = "") -> Extra:
    """Return the metadata of the file of a run's `stage` (the backbone or a role).

    `base` holds the sha256 of the base's files by name; `merge_base` names the weights that adapters were
    added to. Lists of files are as `sha256sum` prints them. `umi.recipe_sha256` is the hash of the run's
    recipe as JSON with sorted keys and no spaces.
    """
    name, hub = base_name(run.recipe["base"]), hub_id(run.recipe["base"])
    recipe = json.dumps(dict(run.recipe), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    extra: dict[str, str | int | Sequence[str]] = {
        gguf.Keys.General.BASE_MODEL_COUNT: 1,
        gguf.Keys.General.BASE_MODEL_NAME.format(id=0): name,
        gguf.Keys.General.TAGS: ["umi", "tool-use"],
        "umi.version": version("umi-agent"),
        "umi.prompt_version": PROMPT_VERSION,
        "umi.roles": list(ROLES) if stage == BACKBONE else [stage],
        "umi.merge_base": merge_base,
        "umi.base_files": [f"{sha}  {name}" for name, sha in sorted(base.items())],
        ADAPTER_FILES: adapter_files(run, stage),
        "umi.recipe_sha256": hashlib.sha256(recipe.encode()).hexdigest(),
    }
    if hub:
        extra[gguf.Keys.General.BASE_MODEL_ORGANIZATION.format(id=0)] = hub.split("/")[0]
        extra[gguf.Keys.General.BASE_MODEL_REPO_URL.format(id=0)] = _HUB + hub
    if license:
        extra[gguf.Keys.General.LICENSE] = license
    return {key: value for key, value in extra.items() if value}


def adapter_files(run: Run, stage: str) -> list[str]:
    """Return the sha256 and name of each file of a stage's adapters, from the run's manifest."""
    stages = {folder.name for folder in run.adapters(stage)}
    return [f"{sha}  {name}" for name, sha in run.files.items() if name.split("/")[0] in stages]


def portable_recipe(run: Run) -> dict[str, Any]:
    """Return a run's recipe and the sha256 of its inputs, with names in place of paths."""
    recipe = dict(run.recipe)
    recipe["base"] = hub_id(recipe["base"]) or base_name(recipe["base"])
    recipe["data"] = [Path(path).name for path in recipe["data"]]
    for field in ("start", "out"):
        if recipe.get(field):
            recipe[field] = Path(recipe[field]).name
    base = Path(run.recipe["base"])
    inputs = {_portable_path(Path(path), base): sha for path, sha in run.inputs.items()}
    if run.averaged:
        recipe["averaged"] = {Path(folder).name: share for folder, share in run.averaged.items()}
    return {**recipe, "inputs": inputs}


def _portable_path(path: Path, base: Path) -> str:
    """Return the name of an input, in `base` or in another run's folder where it is of one."""
    if path.parent == base:
        return f"base/{path.name}"
    return f"{path.parent.parent.name}/{path.name}" if path.parent.name == BACKBONE else path.name


def portable_stages(run: Run) -> dict[str, dict[str, Any]]:
    """Return the metrics of a run's stages, with names in place of the paths of their data."""
    return {
        stage: {**metrics, "data": {Path(path).name: sha for path, sha in metrics.get("data", {}).items()}}
        for stage, metrics in run.stages.items()
    }


def write_extra(writer: gguf.GGUFWriter, extra: Extra) -> None:
    """Add `extra` to a file's metadata, replacing values of the same keys."""
    for key, value in extra.items():
        if isinstance(value, str):
            writer.add_string(key, value)
        elif isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        else:
            writer.add_array(key, list(value))


def base_name(base: str) -> str:
    """Return the name of a base: its folder's, or its repository's where it is in the hub's cache."""
    return (hub_id(base) or Path(base).name or Path(base).resolve().name).split("/")[-1]


def hub_id(base: str) -> str | None:
    """Return OWNER/NAME on the Hugging Face hub, if the path of a base's folder contains it.

    It does where the folder is in the hub's cache, or is OWNER/NAME itself and OWNER no usual name of a
    folder.
    """
    cached = _HUB_CACHE.search(base)
    if cached:
        return f"{cached[1]}/{cached[2]}"
    return base if _HUB_ID.fullmatch(base) and base.split("/")[0].lower() not in _FOLDER_NAMES else None
