"""`umi train run`, `glpft` and `base make`: train the stages of a recipe, make a base to train them on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from agent.errors import InputError
from train.library_warnings import library_warnings_logged
from train.recipe import load_recipe
from train.recipe_file import parse_recipe, read_fields


def train_recipe(
    recipe_file: Path,
    overrides: Sequence[str],
    say: Callable[[str], None],
    *,
    only: str | None = None,
    again: bool = False,
    tensorboard: bool = False,
    plan_only: bool = False,
    as_json: bool = False,
) -> int:
    """Train the stages of a recipe that are not finished, or the stage `only`; print the run's folder.

    With `plan_only`, print what training would take instead, `as_json` as one object. Returns the exit code.
    Raise UmiError for what cannot be trained.
    """
    with library_warnings_logged():
        from train.loop.pipeline import train
        from train.loop.processes import is_main_process
        from train.plan.run_plan import plan_run

    recipe = load_recipe(recipe_file, overrides)
    if plan_only:
        with library_warnings_logged():
            planned = plan_run(recipe, only, again=again)
        print(json.dumps(planned.to_json()) if as_json else "\n".join(planned.lines()))
        return 0
    if as_json:
        raise InputError("--json is for --plan", "add --plan, or leave --json out")
    with library_warnings_logged():
        folder = train(recipe, say, only, again=again, tensorboard=tensorboard)
    if is_main_process():
        print(folder)
    return 0


def average(folders: Sequence[Path], weights: str, out: Path, say: Callable[[str], None]) -> None:
    """Write the mean of runs to `out` and print it; `weights` is a list of numbers between commas, or empty.

    Raise InputError for runs that have no mean, and for a list that is none.
    """
    try:
        numbers = [float(weight) for weight in weights.split(",")] if weights else []
    except ValueError:
        raise InputError(f"--weights {weights} is no list of numbers", "such as --weights 0.5,0.5") from None
    with library_warnings_logged():
        from train.loop.average import average_runs

        print(average_runs(folders, numbers, out, say))


def make_base(recipe_file: Path, overrides: Sequence[str], say: Callable[[str], None]) -> int:
    """Make a base model from scratch, or go on making it; print its folder. Returns the exit code."""
    with library_warnings_logged():
        from train.base_recipe import BaseRecipe
        from train.loop.pretraining import make_base as train_base

        fields = read_fields(recipe_file, overrides)
        recipe = parse_recipe(BaseRecipe, fields, recipe_file.name)
        folder = train_base(recipe, say)
    print(folder)
    return 0
