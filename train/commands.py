"""`umi train run`, `glpft` and `base`: make a base, train the stages of a recipe on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.extras import Parser, say
from train.recipe import STAGES, build, load_recipe, read_fields
from train.stages import train


def run(argv: Sequence[str]) -> int:
    """Train one stage of a recipe, or all that are not finished."""
    parser = _parser("run", run.__doc__)
    parser.add_argument("--stage", choices=STAGES, help="train only this one")
    given = parser.parse_args(argv)
    print(train(load_recipe(given.recipe, given.overrides), say, given.stage))
    return 0


def glpft(argv: Sequence[str]) -> int:
    """Train both stages and all roles of a recipe."""
    given = _parser("glpft", glpft.__doc__).parse_args(argv)
    print(train(load_recipe(given.recipe, given.overrides), say))
    return 0


def base(argv: Sequence[str]) -> int:
    """Make a small base model from scratch, or go on making it."""
    from train.base import BaseRecipe, make_base

    given = _parser("base", base.__doc__).parse_args(argv)
    print(make_base(build(BaseRecipe, read_fields(given.recipe, given.overrides), given.recipe.name), say))
    return 0


def _parser(command: str, description: str | None) -> Parser:
    """What all three take. Without a default, argparse would call the overrides required."""
    parser = Parser(prog=f"umi train {command}", description=description)
    parser.add_argument("recipe", type=Path, help="TOML recipe")
    parser.add_argument("overrides", nargs="*", default=[], metavar="key=value", help="fields to override")
    return parser
