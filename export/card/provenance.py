"""Where a GGUF file comes from, as metadata in it: its base, the adapters and the recipe that made it.

Paths are left out: a file that is passed on says what it was made of, not where that lay.
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
from export.run import BACKBONE, Run

Extra = Mapping[str, str | int | Sequence[str]]
"""Metadata of a GGUF file by key: texts, counts, and lists of texts that are not empty."""

ADAPTER_FILES = "umi.adapter_files"
"""The key under which a file lists the adapters that it was made of."""
_HUB = "https://huggingface.co/"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_HUB_CACHE = re.compile(r"models--([\w.-]+?)--([\w.-]+)/snapshots/[0-9a-f]{40}/?\Z", re.ASCII)
_FOLDERS = frozenset(
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
"""What people call a folder of models; `models/NAME` is a path, not a repository."""


def provenance(run: Run, stage: str, base: Mapping[str, str], merge_base: str, license: str = "") -> Extra:
    """What the file of a run's `stage` (the backbone or a role) says of itself.

    `base` holds the sha256 of the files it was merged from, by name; `merge_base` tells into which weights.
    Lists of files are as `sha256sum` prints them. `umi.recipe_sha256` is the hash of the run's recipe as JSON
    with sorted keys and no spaces.
    """
    named, hub = base_name(run.recipe["base"]), hub_id(run.recipe["base"])
    recipe = json.dumps(dict(run.recipe), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    extra: dict[str, str | int | Sequence[str]] = {
        gguf.Keys.General.BASE_MODEL_COUNT: 1,
        gguf.Keys.General.BASE_MODEL_NAME.format(id=0): named,
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
    """The hashes of the files of the adapters that make a stage, as the run's manifest has them."""
    made_of = {folder.name for folder in run.adapters(stage)}
    return [f"{sha}  {name}" for name, sha in run.files.items() if name.split("/")[0] in made_of]


def portable(run: Run) -> dict[str, Any]:
    """A run's recipe and the hashes of what it was made from, with names where it has paths."""
    recipe = dict(run.recipe)
    recipe["base"] = hub_id(recipe["base"]) or base_name(recipe["base"])
    recipe["data"] = [Path(path).name for path in recipe["data"]]
    base = Path(run.recipe["base"])
    named = {
        f"base/{Path(path).name}" if Path(path).parent == base else Path(path).name: sha
        for path, sha in run.inputs.items()
    }
    return {**recipe, "inputs": named}


def portable_stages(run: Run) -> dict[str, dict[str, Any]]:
    """The metrics of a run's stages, the files of their data by name."""
    return {
        stage: {**told, "data": {Path(path).name: sha for path, sha in told.get("data", {}).items()}}
        for stage, told in run.stages.items()
    }


def write_extra(writer: gguf.GGUFWriter, extra: Extra) -> None:
    """Add `extra` to a file's metadata, in place of what stands there under the same keys."""
    for key, value in extra.items():
        if isinstance(value, str):
            writer.add_string(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        else:
            writer.add_array(key, list(value))


def base_name(base: str) -> str:
    """What a base is called: its folder's name, or its repository's where it lies in the hub's cache."""
    return (hub_id(base) or Path(base).name or Path(base).resolve().name).split("/")[-1]


def hub_id(base: str) -> str | None:
    """OWNER/NAME on the Hugging Face hub, where the path of a base's folder tells it.

    It does where the folder lies in the hub's cache, or is OWNER/NAME itself and OWNER no word for a folder.
    """
    cached = _HUB_CACHE.search(base)
    if cached:
        return f"{cached[1]}/{cached[2]}"
    return base if _HUB_ID.fullmatch(base) and base.split("/")[0].lower() not in _FOLDERS else None
