"""A run folder's JSON: whose it is, what went into it, and what each finished stage was trained on."""

from __future__ import annotations

import dataclasses
import errno
import functools
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from safetensors import SafetensorError

from agent.errors import InputError, UmiError
from agent.paths import sha256_of
from agent.prompting import PROMPT_VERSION
from agent.transcript import ROLES
from agent.transcript.rows import row_files
from train.recipe import STAGES, Recipe

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
"""What peft reads of a stage."""
FORMAT = 1
"""Version of the run folder's JSON files."""

P = ParamSpec("P")
R = TypeVar("R")

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def claim(run: Path, recipe: Recipe, only: str | None = None) -> dict[str, Any]:
    """Make the run folder this recipe's and return its `recipe.json`.

    Raises InputError where it is another's. A role that is trained alone (`only`) may have other data than
    the run and other settings of its own; the rest must be the run's.
    """
    file = run / "recipe.json"
    mine = claimed(recipe)
    if not file.exists() and run.is_dir() and any(path.suffix != ".part" for path in run.iterdir()):
        raise InputError(f"{run} is not empty and no run", "give out a new folder")
    # Where nothing was trained yet, a recipe whose mistake showed late is mended in place.
    if not any((run / name).is_dir() for name in STAGES) and not any(run.glob("checkpoints/*.pt")):
        write_json(file, mine)
        return mine
    theirs = read_json(file)
    # Read as a recipe, so that a field which is newer than the run counts as its default.
    stored = kept_fields(Recipe.from_json({**theirs["recipe"], "out": recipe.out}, str(file)))
    changed = [key for key in mine["recipe"] if mine["recipe"][key] != stored[key]]
    changed += [key for key in mine["inputs"] if mine["inputs"][key] != theirs["inputs"].get(key)]
    data = {"data", *map(str, data_files(recipe))}
    free = {only, *data} if only in ROLES else set()
    if not free.issuperset(changed) or theirs["prompt_version"] != mine["prompt_version"]:
        names = ", ".join(key for key in changed if key not in free) or "the prompt version"
        step = "give out a new folder, or remove it"
        if changed and data.issuperset(changed):
            step += "; one role is trained on other data with --only ROLE"
        raise InputError(f"{run} holds a run that differs in {names}", step)
    return theirs


def claimed(recipe: Recipe) -> dict[str, Any]:
    """The recipe and the sha256 of its inputs."""
    files = base_files(recipe)
    inputs = {str(path): sha256(path) for path in [*files, *data_files(recipe)]}
    return {
        "format": FORMAT,
        "prompt_version": PROMPT_VERSION,
        "recipe": kept_fields(recipe),
        "inputs": inputs,
    }


def trained_on(recipe: Recipe, stage: str) -> dict[str, Any]:
    """What a stage may have of its own: the sha256 of its data files, and its table in the recipe."""
    data = {str(path): sha256(path) for path in data_files(recipe)}
    return {"data": data, "settings": dataclasses.asdict(recipe.stage(stage))}


def same_source(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two results of `trained_on` are of the same rows and settings, wherever the files lie."""
    rows = [sorted(source["data"].values()) for source in (one, other)]
    return rows[0] == rows[1] and one["settings"] == other["settings"]


def base_files(recipe: Recipe) -> list[Path]:
    """The files of the base that decide what is trained."""
    folder = Path(recipe.base)
    return [folder / "config.json", folder / "tokenizer.json", *sorted(folder.glob("*.safetensors"))]


def data_files(recipe: Recipe) -> list[Path]:
    """The files of rows that the recipe names, those in folders among them."""
    return row_files(*map(Path, recipe.data))


def kept_fields(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON. Where a run computes and how often it reports are left out."""
    fields = json.loads(json.dumps(recipe.to_json()))
    for key in ("out", "device", "log_steps", "checkpoint_steps"):
        fields.pop(key)
    return fields


def sha256(path: Path) -> str:
    """The hash of a file's bytes. Raises InputError where there is no such file."""
    try:
        return sha256_of(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", "name files that exist") from None


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of the run folder. Raises InputError where it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}", "give out a new folder") from None


def tell_of_full_disk(write: Callable[P, R]) -> Callable[P, R]:
    """`write`, which raises UmiError with what to do where it meets a disk without room."""

    @functools.wraps(write)
    def telling(*given: P.args, **named: P.kwargs) -> R:
        try:
            return write(*given, **named)
        except (OSError, SafetensorError) as error:
            # safetensors says it in words only.
            if getattr(error, "errno", None) not in _NO_ROOM and "os error 28" not in str(error):
                raise
            raise UmiError(
                f"a file of the run cannot be written: {error}",
                "make room and give the same command again; it goes on there",
            ) from None

    return telling


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(part, path)
