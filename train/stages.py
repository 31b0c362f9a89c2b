"""The two stages of a run: one backbone adapter on every turn, then each role's from a copy of it or over it.

RUN/recipe.json        the resolved recipe and the hashes of what went in, written first
RUN/heldout.jsonl      rows that were not trained on
RUN/backbone/          the stage-1 adapter and `stage.json`; a folder that exists is finished
RUN/planner/ caller/ summarizer/
RUN/checkpoints/       of the stage at work, removed when it is finished
RUN/manifest.json      recipe and metrics of all stages, written last
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.encoding import load_tokenize
from agent.errors import InputError
from agent.prompts import PROMPT_VERSION, Tokenize
from agent.rows import read_rows
from agent.transcript import ROLES, Row
from train.activation import role_headers
from train.batches import fill
from train.loop import Say, train_adapter
from train.model import Trainee, load_adapter
from train.packing import Packed, pack
from train.recipe import STAGES, Recipe
from train.rows import hold_out, write_rows
from train.views import view

BACKBONE = STAGES[0]
FORMAT = 1
"""Version of the run folder's JSON files."""


def train(recipe: Recipe, say: Say, only: str | None = None) -> Path:
    """Train what is not finished yet, stage 1 before the roles, and return the run folder.

    `only` names one stage. Raises InputError where the folder holds a run of another recipe or other data.
    """
    run = Path(recipe.out)
    rows = list(read_rows(*map(Path, recipe.data)))
    trained_on, held_out = hold_out(rows, recipe.heldout_rows)
    if not trained_on:
        raise InputError(f"{', '.join(recipe.data)} holds no row of the split train", "add training rows")
    tokenize = base_tokenize(recipe)
    if recipe.adapter == "alora":
        role_headers(tokenize, recipe.markers)
    claim(run, recipe)
    write_rows(run / "heldout.jsonl", held_out)
    model: Trainee | None = None
    for stage in [only] if only else STAGES:
        if (run / stage).is_dir():
            say(f"{stage}: finished before")
            continue
        if stage != BACKBONE and not (run / BACKBONE).is_dir():
            raise InputError(f"{run} has no backbone to start {stage} from", "train the backbone first")
        model = model or Trainee(recipe)
        train_stage(model, stage, trained_on, held_out, recipe, tokenize, say)
    if all((run / stage).is_dir() for stage in STAGES):
        stages = {stage: json.loads((run / stage / "stage.json").read_text()) for stage in STAGES}
        write_json(run / "manifest.json", {**claimed(recipe), "stages": stages})
        say(f"finished: {run}")
    return run


def train_stage(
    model: Trainee,
    stage: str,
    trained_on: Sequence[Row],
    held_out: Sequence[Row],
    recipe: Recipe,
    tokenize: Tokenize,
    say: Say,
) -> None:
    """Train one stage and move its finished folder into place."""
    run = Path(recipe.out)
    by_turn = recipe.by_turn(stage)
    seen = view(trained_on, stage, tokenize, recipe.max_length, recipe.markers, by_turn=by_turn)
    if not seen.rows:
        raise InputError(
            f"no training row of {stage} fits",
            f"raise max_length above {recipe.max_length}, or add rows with turns of that role",
        )
    say(
        f"{stage}: {len(seen.rows):,} {'turns' if by_turn else 'rows'}, {seen.targets:,} tokens to learn;"
        f" left out: {seen.too_long} too long, {seen.nothing_to_learn} without a turn of the role"
    )
    unseen = {
        role: held_out_batches(held_out, role, recipe, tokenize, by_turn=by_turn)
        for role in (ROLES if stage == BACKBONE else (stage,))
    }
    if by_turn:
        header = role_headers(tokenize, recipe.markers)[stage]
        model.stack(load_adapter(run / BACKBONE), header, recipe.seed + STAGES.index(stage))
    elif stage != BACKBONE:
        model.set_adapter(load_adapter(run / BACKBONE))
    before = {role: model.mean_loss(batches) for role, batches in unseen.items() if batches}
    checkpoint = run / "checkpoints" / f"{stage}.pt"
    outcome = train_adapter(model, seen.rows, stage, recipe, checkpoint, say)
    after = {role: model.mean_loss(batches) for role, batches in unseen.items() if batches}
    for role, loss in after.items():
        say(f"{stage}: held-out loss of {role} {before[role]:.4f} -> {loss:.4f}")
    part = run / f"{stage}.part"
    shutil.rmtree(part, ignore_errors=True)
    model.save_adapter(part)
    counts = {"rows": len(seen.rows), "too_long": seen.too_long, "targets": seen.targets}
    losses = {"heldout_loss_before": before, "heldout_loss": after}
    write_json(part / "stage.json", {**counts, **dataclasses.asdict(outcome), **losses})
    os.replace(part, run / stage)
    checkpoint.unlink(missing_ok=True)


def held_out_batches(
    rows: Sequence[Row], role: str, recipe: Recipe, tokenize: Tokenize, *, by_turn: bool
) -> list[list[Packed]]:
    """The passes that measure a role's loss."""
    seen = view(rows, role, tokenize, recipe.max_length, recipe.markers, by_turn=by_turn)
    return fill(list(pack(seen.rows, recipe.micro_batch_tokens)), recipe.micro_batch_tokens)


def base_tokenize(recipe: Recipe) -> Tokenize:
    """The base's tokenizer. Raises InputError where it lacks the recipe's markers."""
    folder = Path(recipe.base)
    if not (folder / "tokenizer.json").is_file():
        raise InputError(f"{folder} has no tokenizer.json", "give base a folder with a fast tokenizer")
    tokenize = load_tokenize(folder)
    for marker in (recipe.markers.open, recipe.markers.close):
        if len(tokenize(marker, True)) != 1:
            raise InputError(f"{marker} is not a token of {folder}", "set markers to tokens of the base")
    return tokenize


def claim(run: Path, recipe: Recipe) -> None:
    """Make the run folder this recipe's. Raises InputError where it is another's."""
    file = run / "recipe.json"
    mine = claimed(recipe)
    if not file.exists():
        if run.is_dir() and any(path.suffix != ".part" for path in run.iterdir()):
            raise InputError(f"{run} is not empty and no run", "give out a new folder")
        write_json(file, mine)
        return
    theirs = json.loads(file.read_text(encoding="utf-8"))
    # Read as a recipe, so that a field which is newer than the run counts as its default.
    stored = kept_fields(Recipe.from_json({**theirs["recipe"], "out": recipe.out}, str(file)))
    changed = [key for key in mine["recipe"] if mine["recipe"][key] != stored[key]]
    changed += [key for key in mine["inputs"] if mine["inputs"][key] != theirs["inputs"].get(key)]
    if changed or theirs["prompt_version"] != mine["prompt_version"]:
        names = ", ".join(changed) or "the prompt version"
        raise InputError(f"{run} holds a run that differs in {names}", "give out a new folder, or remove it")


def claimed(recipe: Recipe) -> dict[str, Any]:
    """The recipe and the sha256 of its inputs."""
    files = [Path(recipe.base) / "config.json", Path(recipe.base) / "tokenizer.json"]
    files += sorted(Path(recipe.base).glob("*.safetensors"))
    inputs = {str(path): sha256(path) for path in [*files, *map(Path, recipe.data)]}
    return {
        "format": FORMAT,
        "prompt_version": PROMPT_VERSION,
        "recipe": kept_fields(recipe),
        "inputs": inputs,
    }


def kept_fields(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON. Where a run computes and how often it reports are left out."""
    fields = json.loads(json.dumps(recipe.to_json()))
    for key in ("out", "device", "log_steps", "checkpoint_steps"):
        fields.pop(key)
    return fields


def sha256(path: Path) -> str:
    """The hash of a file's bytes. Raises InputError where there is no such file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", "name files that exist") from None


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(part, path)
