"""`umi train run`, `glpft` and `base`: make a base, train the stages of a recipe on it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from agent.errors import InputError
from agent.extras import Parser, say
from train.loop.pipeline import train
from train.loop.processes import is_first
from train.recipe import STAGES, load_recipe, parse_recipe, read_fields


def run(argv: Sequence[str]) -> int:
    """Train the stages of a recipe that are not finished, or one of them."""
    return _train("run", run.__doc__, argv)


def glpft(argv: Sequence[str]) -> int:
    """Train both stages and all roles of a recipe."""
    return _train("glpft", glpft.__doc__, argv)


def _train(command: str, description: str | None, argv: Sequence[str]) -> int:
    parser = _parser(command, description)
    parser.add_argument(
        "--only",
        choices=STAGES,
        help="train only this stage; a role of a finished backbone may be given other data (data=FILE)",
    )
    parser.add_argument(
        "--again", action="store_true", help="with --only ROLE: train it anew from the backbone"
    )
    parser.add_argument("--tensorboard", action="store_true", help="write the course to OUT/tensorboard too")
    parser.add_argument(
        "--plan", action="store_true", help="tell parameters, memory, steps and time, and train nothing"
    )
    parser.add_argument("--json", action="store_true", help="with --plan: as one JSON object")
    given = parser.parse_intermixed_args(argv)
    recipe = load_recipe(given.recipe, given.overrides)
    if given.plan:
        from train.plan.plan import plan

        planned = plan(recipe, given.only, again=given.again)
        print(json.dumps(planned.to_json()) if given.json else "\n".join(planned.lines()))
        return 0
    if given.json:
        raise InputError("--json is for --plan", "add --plan, or leave --json out")
    folder = train(recipe, say, given.only, again=given.again, tensorboard=given.tensorboard)
    if is_first():
        print(folder)
    return 0


def base(argv: Sequence[str]) -> int:
    """Make a small base model from scratch, or go on making it."""
    from train.loop.pretraining import BaseRecipe, make_base

    given = _parser("base", base.__doc__).parse_args(argv)
    fields = read_fields(given.recipe, given.overrides)
    print(make_base(parse_recipe(BaseRecipe, fields, given.recipe.name), say))
    return 0


def _parser(command: str, description: str | None) -> Parser:
    """What all three take. Without a default, argparse would call the overrides required."""
    parser = Parser(prog=f"umi train {command}", description=description)
    parser.add_argument("recipe", type=Path, help="TOML recipe")
    parser.add_argument("overrides", nargs="*", default=[], metavar="key=value", help="fields to override")
    return parser
