"""The JSON files of a run folder as training writes them: its recipe, its inputs, and those of each stage."""

from __future__ import annotations

import dataclasses
import errno
import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from safetensors import SafetensorError

from agent.errors import InputError, UmiError
from agent.paths import parse_json, read_file, replacing
from agent.prompting import PROMPT_VERSION
from agent.transcript import ROLES
from agent.transcript.rows import row_files
from train.recipe import STAGES, Recipe
from train.run.files import ADAPTER_FILES, BACKBONE, CHECKPOINTS, FORMAT, RECIPE, hash_file

P = ParamSpec("P")
R = TypeVar("R")

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def open_run_folder(run: Path, recipe: Recipe, only: str | None = None) -> dict[str, Any]:
    """Return the `recipe.json` of the run folder; write it where the run is new.

    Raise InputError where the folder holds a run of another recipe or other inputs. A role that is trained
    alone (`only`) may have other data and settings of its own than the run; the rest must be the run's.
    """
    file = run / RECIPE
    record = recipe_record(recipe)
    if not file.exists() and run.is_dir() and any(path.suffix != ".part" for path in run.iterdir()):
        raise InputError(f"{run} is not empty and is not a run folder", "set out to a new folder")
    # As long as nothing is trained, the recipe of the folder may be corrected.
    if not any((run / name).is_dir() for name in STAGES) and not any((run / CHECKPOINTS).glob("*.pt")):
        write_json(file, record)
        return record
    stored = read_json(file)
    # Parsed as a recipe, so that fields the run does not have yet count as their defaults.
    fields = stored_fields(Recipe.from_json({**stored["recipe"], "out": recipe.out}, str(file)))
    changed = [key for key in record["recipe"] if record["recipe"][key] != fields[key]]
    changed += [key for key in record["inputs"] if record["inputs"][key] != stored["inputs"].get(key)]
    data = {"data", *map(str, data_files(recipe))}
    free = {only, *data} if only in ROLES else set()
    if not free.issuperset(changed) or stored["prompt_version"] != record["prompt_version"]:
        names = ", ".join(key for key in changed if key not in free) or "the prompt version"
        hint = "set out to a new folder, or remove it"
        if changed and data.issuperset(changed):
            hint += "; one role is trained on other data with --only ROLE"
        raise InputError(f"{run} holds a run that differs in {names}", hint)
    return stored


def recipe_record(recipe: Recipe) -> dict[str, Any]:
    """Return what `recipe.json` holds: versions, the recipe, and the sha256 of each input by path."""
    files = [*base_files(recipe), *data_files(recipe), *start_files(recipe)]
    inputs = {str(path): hash_file(path) for path in files}
    return {
        "format": FORMAT,
        "prompt_version": PROMPT_VERSION,
        "recipe": stored_fields(recipe),
        "inputs": inputs,
    }


def start_record(fields: Mapping[str, Any], base: Path, out: Path, source: str) -> dict[str, Any]:
    """Return what `recipe.json` holds of a run whose stage 1 comes from `source`.

    `fields` are those of the recipe that it was trained by, over `base`.
    """
    recipe = Recipe.from_json({**fields, "base": str(base), "out": str(out), "start": ""}, source)
    record = {"format": FORMAT, "prompt_version": PROMPT_VERSION, "recipe": stored_fields(recipe)}
    return {**record, "inputs": {}}


def stage_inputs(recipe: Recipe, stage: str) -> dict[str, Any]:
    """Return the inputs of a stage that others need not share: sha256 of its data files, and its settings."""
    data = {str(path): hash_file(path) for path in data_files(recipe)}
    return {"data": data, "settings": dataclasses.asdict(recipe.stage(stage))}


def same_inputs(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two results of `stage_inputs` have equal data, whatever the file names, and settings."""
    rows = [sorted(inputs["data"].values()) for inputs in (one, other)]
    return rows[0] == rows[1] and one["settings"] == other["settings"]


def base_files(recipe: Recipe) -> list[Path]:
    """Return the files of the base whose sha256 a run stores (see `train.run.files.is_base_file`)."""
    folder = Path(recipe.base)
    return [folder / "config.json", folder / "tokenizer.json", *sorted(folder.glob("*.safetensors"))]


def start_files(recipe: Recipe) -> list[Path]:
    """Return the files of the adapter that stage 1 starts from; none where it starts from the base."""
    if not recipe.start:
        return []
    run = Path(recipe.start)
    if not (run / BACKBONE).is_dir():
        raise InputError(f"{run} holds no finished stage 1", "name in start the folder of a run that has one")
    started = Recipe.from_json({**read_json(run / RECIPE)["recipe"], "out": recipe.start}, str(run / RECIPE))
    if started.lora != recipe.lora:
        raise InputError(f"the adapter in {run} has another [lora] than the recipe", "give both the same")
    return [run / BACKBONE / name for name in ADAPTER_FILES]


def data_files(recipe: Recipe) -> list[Path]:
    """Return the files of rows that the recipe names, those in folders among them."""
    return row_files(*map(Path, recipe.data))


def stored_fields(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as JSON without the fields that do not change what is trained, such as `device`."""
    fields = json.loads(json.dumps(recipe.to_json()))
    for key in ("out", "device", "log_steps", "checkpoint_steps"):
        fields.pop(key)
    return fields


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file of the run folder. Raise InputError where it is damaged."""
    try:
        return parse_json(read_file(path))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged: {error}", "set out to a new folder") from None


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, atomically."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def report_full_disk(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate `function` to raise UmiError, with the next step, if a write fails on a full disk."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (OSError, SafetensorError) as error:
            # safetensors gives the error number only as text.
            if getattr(error, "errno", None) not in _DISK_FULL and "os error 28" not in str(error):
                raise
            raise UmiError(
                f"a file of the run cannot be written: {error}",
                "make room and give the same command again; it goes on there",
            ) from None

    return wrapper
