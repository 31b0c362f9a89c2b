"""A finished training run as export reads it: its recipe, its metrics, its adapters and held-out rows.

What a run folder holds is JSON and safetensors, so nothing of `train` is imported here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.errors import InputError
from agent.paths import sha256_of
from agent.prompting import PROMPT_VERSION, Markers
from agent.transcript import ROLES, Row
from agent.transcript.rows import read_rows

FORMAT = 1
"""The version of run folders that this module reads."""
BACKBONE = "backbone"
"""The stage whose adapter all roles start from, or share."""
_NEEDED = ("base", "data", "markers", "quantization", "double_quant", "max_length")
"""What export reads of every recipe."""
MERGED_BASE = "merged_base"
"""The folder in a run where stage 1 was merged into the base, which the roles were then trained on."""


@dataclass(frozen=True)
class Run:
    """A run folder whose manifest was read."""

    folder: Path
    recipe: Mapping[str, Any]
    stages: Mapping[str, Mapping[str, Any]]
    """Metrics of the stages that were trained: the backbone, the roles, or both."""
    inputs: Mapping[str, str]
    """sha256 of the files the run was made from."""
    files: Mapping[str, str] = field(default_factory=dict)
    """sha256 of the adapters' files, by their paths in the folder."""

    @property
    def base(self) -> Path:
        """The checkpoint folder that the roles' adapters were trained on."""
        if self.recipe.get("hand_over") == "merge16":
            return self.folder / MERGED_BASE
        return Path(self.recipe["base"])

    @property
    def activated(self) -> bool:
        """Whether the roles are activated adapters over the backbone, rather than models of their own."""
        return self.recipe.get("adapter") == "alora"

    @property
    def shares_one_model(self) -> bool:
        """Whether one adapter plays all roles."""
        return not any(role in self.stages for role in ROLES)

    def held_as(self, stage: str, dtype: str) -> str:
        """The type (as safetensors names it) that a weight stored as `dtype` was loaded in to train a stage.

        On a GPU a base keeps its type, on a CPU it becomes float32. A run that does not say is of a CPU.
        """
        return "F32" if self.stages[stage].get("device", "cpu") == "cpu" else dtype

    def adapters(self, stage: str) -> list[Path]:
        """The plain adapters that make a stage's model of the base: its own, and the one it is stacked on."""
        stacked = stage in ROLES and self.recipe.get("hand_over") == "stack"
        return [self.folder / name for name in ([BACKBONE, stage] if stacked else [stage])]

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
        run = Run(folder, value["recipe"], value["stages"], value["inputs"], value["files"])
        versions = value["format"], value["prompt_version"]
        missing = [key for key in _NEEDED if key not in run.recipe]
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
    require_roles(run)
    if not (run.base / "config.json").is_file():
        step = "run the command from the folder that it was trained from"
        if run.base.is_absolute():
            step = "put it back in its place"
        raise InputError(f"the run's base {run.base} is not there", step)
    return run


def hash_base(run: Run, say: Callable[[str], None]) -> dict[str, str]:
    """sha256 of each file of the run's base that an export reads, by name.

    Raises InputError naming the files that are not those the run was trained on. A base that stage 1 was
    merged into is the run's own, and not compared.
    """
    files = [file for pattern in ("*.json", "*.jinja", "*.safetensors") for file in run.base.glob(pattern)]
    size = sum(file.stat().st_size for file in files)
    say(f"base: comparing {size / 1e6:.1f} MB with what the run was trained on")
    found = {file.name: sha256(file) for file in sorted(files)}
    if run.base != Path(run.recipe["base"]):
        return found
    inputs = {Path(path).name: sha for path, sha in run.inputs.items() if Path(path).parent == run.base}
    trained = {name: sha for name, sha in inputs.items() if decides(name)}
    other = [name for name, sha in trained.items() if found.get(name) != sha]
    other += [name for name in found if decides(name) and name not in trained]
    if other:
        raise InputError(
            f"{run.base} is not the base that {run.folder} was trained on: {', '.join(sorted(other))}"
            f" {'differs' if len(other) == 1 else 'differ'}",
            "put that base back in its place, or train again",
        )
    return found


def require_own_adapters(run: Run) -> None:
    """Raise InputError where an adapter is not the one that the run trained."""
    for name, sha in run.files.items():
        if sha256(run.folder / name) != sha:
            raise InputError(
                f"{run.folder / name} is not what the run trained",
                "put its own back, or train that stage again",
            )


def decides(name: str) -> bool:
    """Whether a file of a base is among those that a run's manifest holds the hash of."""
    return name in ("config.json", "tokenizer.json") or name.endswith(".safetensors")


def sha256(file: Path) -> str:
    """The hash of a file's bytes, in hex. Raises InputError where it cannot be read."""
    try:
        return sha256_of(file)
    except OSError as error:
        raise InputError(
            f"{file} cannot be read: {error.strerror or error}", "put it back, or train that stage again"
        ) from None


def require_roles(run: Run) -> None:
    """Raise InputError where a run's method makes models that the three roles of a bundle cannot use."""
    method = run.recipe.get("method", "two-stage")
    reasons = {
        "one-model": "one assistant writes thought, call and answer, and the engine asks three roles",
        "two-stage-without-reuse": "its roles read headers and instructions that the engine does not write",
    }
    if method in reasons:
        raise InputError(
            f"{run.folder} was trained with method = {method}: {reasons[method]}",
            "train with method = two-stage for a bundle",
        )
