"""`python -m train run` and `glpft`: train the stages of a recipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from train.arguments import Parser
from train.recipe import STAGES, build, load_recipe, read_fields
from train.stages import train


def say(line: str) -> None:
    """Progress goes to stderr, a line at a time."""
    print(line, file=sys.stderr, flush=True)


def run(argv: Sequence[str]) -> int:
    """Train one stage of a recipe, or all that are not finished."""
    parser = Parser(prog="umi train run", description=run.__doc__)
    parser.add_argument("recipe", type=Path, help="TOML recipe")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="fields to override")
    parser.add_argument("--stage", choices=STAGES, help="train only this one")
    given = parser.parse_args(argv)
    print(train(load_recipe(given.recipe, given.overrides), say, given.stage))
    return 0


def glpft(argv: Sequence[str]) -> int:
    """Train both stages and all roles of a recipe."""
    parser = Parser(prog="umi train glpft", description=glpft.__doc__)
    parser.add_argument("recipe", type=Path, help="TOML recipe")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="fields to override")
    given = parser.parse_args(argv)
    print(train(load_recipe(given.recipe, given.overrides), say))
    return 0


def base(argv: Sequence[str]) -> int:
    """Make a small base model from scratch, or go on making it."""
    from train.base import BaseRecipe, make_base

    parser = Parser(prog="umi train base", description=base.__doc__)
    parser.add_argument("recipe", type=Path, help="TOML file with the fields of BaseRecipe")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="fields to override")
    given = parser.parse_args(argv)
    print(make_base(build(BaseRecipe, read_fields(given.recipe, given.overrides), given.recipe.name), say))
    return 0
