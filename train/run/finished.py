"""A finished run as export reads it: its recipe, its metrics, its adapters and held-out rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.errors import InputError
from agent.paths import read_json
from agent.prompting import PROMPT_VERSION, Markers
from agent.transcript import ROLES, Row
from agent.transcript.rows import read_rows
from train.run.files import BACKBONE, FORMAT, HELD_OUT, MANIFEST, MERGED_BASE, RECIPE, hash_file, is_base_file

_REQUIRED = ("base", "data", "markers", "quantization", "double_quant", "max_length")
"""The fields that export reads of every recipe."""


@dataclass(frozen=True)
class Run:
    """A run folder whose manifest was read."""

    folder: Path
    recipe: Mapping[str, Any]
    stages: Mapping[str, Mapping[str, Any]]
    """Metrics of the stages that were trained: the backbone, the roles, or both."""
    inputs: Mapping[str, str]
    """sha256 of the files that the run was made from, by path."""
    files: Mapping[str, str] = field(default_factory=dict)
    """sha256 of the adapters' files, by their paths in the folder."""
    averaged: Mapping[str, float] = field(default_factory=dict)
    """The shares of the runs that it is the mean of, by folder; empty where it was trained itself."""

    @property
    def base(self) -> Path:
        """The checkpoint folder that the roles' adapters were trained on."""
        if self.recipe.get("hand_over") == "merge16":
            return self.folder / MERGED_BASE
        return Path(self.recipe["base"])

    @property
    def is_alora(self) -> bool:
        """Whether the roles are activated adapters over the backbone, rather than models of their own."""
        return self.recipe.get("adapter") == "alora"

    @property
    def has_one_adapter(self) -> bool:
        """Whether one adapter serves all roles."""
        return not any(role in self.stages for role in ROLES)

    def loaded_dtype(self, stage: str, stored_dtype: str) -> str:
        """Return the type (as safetensors names it) in which a weight was loaded to train a stage.

        On a GPU a base keeps the type it is stored in, on a CPU it becomes float32. A run that does not say
        was trained on a CPU.
        """
        return "F32" if self.stages[stage].get("device", "cpu") == "cpu" else stored_dtype

    def adapters(self, stage: str) -> list[Path]:
        """Return the folders of a stage's adapters: its own, and the one that it is stacked on."""
        stacked = stage in ROLES and self.recipe.get("hand_over") == "stack"
        return [self.folder / name for name in ([BACKBONE, stage] if stacked else [stage])]

    @property
    def markers(self) -> Markers:
        """What opens, divides and closes a turn."""
        return Markers(**self.recipe["markers"])

    def held_out(self) -> list[Row]:
        """Return the rows that were not trained on."""
        return list(read_rows(self.folder / HELD_OUT))


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a finished run. Raise InputError where there is none, or it is damaged."""
    if not (folder / RECIPE).is_file():
        raise InputError(f"{folder} is not a run folder", "give the folder that umi train glpft wrote")
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise InputError(f"the run in {folder} is not finished", "go on with: umi train glpft RECIPE")
    try:
        value = read_json(manifest)
        if not isinstance(value, dict):
            raise ValueError("it is not a JSON object")
    except (OSError, ValueError) as error:
        raise InputError(f"{manifest} is damaged: {error}", "train the run again") from None
    return value


def load_run(folder: Path) -> Run:
    """Read a run folder. Raise InputError if it is not a finished run, or its base does not exist."""
    value, manifest = read_manifest(folder), folder / MANIFEST
    try:
        averaged = value.get("averaged", {})
        run = Run(folder, value["recipe"], value["stages"], value["inputs"], value["files"], averaged)
        versions = value["format"], value["prompt_version"]
        missing = [key for key in _REQUIRED if key not in run.recipe]
        missing += [role for role in ROLES if BACKBONE not in run.stages and role not in run.stages]
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}")
    except KeyError as error:
        raise InputError(f"{manifest} is damaged: it lacks {error.args[0]}", "train the run again") from None
    except (ValueError, TypeError) as error:
        raise InputError(f"{manifest} is damaged: {error}", "train the run again") from None
    if versions != (FORMAT, PROMPT_VERSION):
        raise InputError(
            f"{folder} has format {versions[0]} and prompt version {versions[1]}, and this umi reads"
            f" {FORMAT} and {PROMPT_VERSION}",
            "train it again with this version",
        )
    if not (run.base / "config.json").is_file():
        hint = "run the command from the folder that it was trained from"
        if run.base.is_absolute():
            hint = "put it back in its place"
        raise InputError(f"the run's base {run.base} does not exist", hint)
    return run


def hash_base(run: Run, say: Callable[[str], None]) -> dict[str, str]:
    """Return the sha256 of each file of the run's base that an export reads, by name.

    Raise InputError naming the files that are not those the run was trained on. A base that stage 1 was
    merged into is the run's own, and not compared.
    """
    files = [file for pattern in ("*.json", "*.jinja", "*.safetensors") for file in run.base.glob(pattern)]
    size = sum(file.stat().st_size for file in files)
    say(f"base: comparing {size / 1e6:.1f} MB with what the run was trained on")
    hashes = {file.name: hash_file(file) for file in sorted(files)}
    if run.base != Path(run.recipe["base"]):
        return hashes
    inputs = {Path(path).name: sha for path, sha in run.inputs.items() if Path(path).parent == run.base}
    trained = {name: sha for name, sha in inputs.items() if is_base_file(name)}
    other = [name for name, sha in trained.items() if hashes.get(name) != sha]
    other += [name for name in hashes if is_base_file(name) and name not in trained]
    if other:
        raise InputError(
            f"{run.base} is not the base that {run.folder} was trained on: {', '.join(sorted(other))}"
            f" {'differs' if len(other) == 1 else 'differ'}",
            "put that base back in its place, or train again",
        )
    return hashes


def require_own_adapters(run: Run) -> None:
    """Raise InputError where a file of an adapter is not the one that the run trained."""
    for name, sha in run.files.items():
        if hash_file(run.folder / name, "put it back, or train that stage again") != sha:
            raise InputError(
                f"{run.folder / name} is not what the run trained",
                "put its own back, or train that stage again",
            )
