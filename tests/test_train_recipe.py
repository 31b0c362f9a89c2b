"""Recipes: defaults of a stage, overrides, and fields that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import InputError
from train.recipe import Recipe, load_recipe


def test_a_recipe_takes_overrides_and_keeps_the_defaults_of_a_stage(tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text('base = "b"\ndata = ["d"]\nout = "o"\n[caller]\nepochs = 2\n')
    recipe = load_recipe(file, ["lora.rank=8", "out=elsewhere/x", "backbone.learning_rate=2e-4"])
    assert (recipe.lora.rank, recipe.lora.alpha, recipe.out) == (8, 32, "elsewhere/x")
    assert (recipe.caller.epochs, recipe.caller.learning_rate) == (2.0, 1e-4)
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_a_recipe_of_activated_roles_stacks_them(tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text('base = "b"\ndata = ["d"]\nout = "o"\n')
    recipe = load_recipe(file, ["adapter=alora"])
    assert recipe.hand_over == "stack"
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert load_recipe(file).hand_over == "continue"
    assert load_recipe(file, ["adapter=alora", "hand_over=stack"]) == recipe
    for hand_over in ("continue", "merge16"):
        with pytest.raises(InputError, match=f"alora does not go with hand_over = {hand_over}"):
            load_recipe(file, ["adapter=alora", f"hand_over={hand_over}"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("lora.rnk=1", "unknown field lora.rnk; the nearest one is lora.rank"),
        ("sed=1", "nearest one is seed"),
        ("seed=x", "seed is 'x'; it must be a whole number"),
        ("lora=3", "lora is 3; it must be a table"),
        ("quantization=int3", "one of nf4, none"),
        ("hand_over=merge8", "one of continue, stack, merge16"),
        ("method=three-stage", "one of two-stage, two-stage-without-reuse, one-stage, multi-task, one-model"),
        ("adapter=dora", "one of lora, alora"),
        ('lora.targets=["lm_head"]', "names the output head"),
        ("caller.epochs=0", "caller trains nothing"),
        ("caller.max_steps=-1", "caller.max_steps is -1; it must be a whole number of at least 0"),
        ("caller.learning_rate=nan", "caller.learning_rate is nan"),
        ("rank=1", "nearest one is lora.rank"),
        ("lora.dropout=2", "lora.dropout is 2; it must be a number from 0 to 0.99"),
        ("lora.alpha=0", "lora.alpha is 0; it must be a whole number of at least 1"),
        ("seed=-1", "seed is -1; it must be a whole number of at least 0"),
        ("evaluation_turns=0", "evaluation_turns is 0; it must be a whole number of at least 1"),
        ("warmup=2", "warmup is 2; it must be a number from 0 to 1"),
        ("seed", "not key=value"),
        ("data=[]", r"data is \[\]; it must be a list that is not empty"),
        ("seed=true", "seed is True; it must be a whole number"),
        ("double_quant=1", "double_quant is 1; it must be true or false"),
        ("markers.opn=<s>", "unknown field markers.opn; the nearest one is markers.open"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, override: str, message: str) -> None:
    file = tmp_path / "r.toml"
    file.write_text('base = "b"\ndata = ["d"]\nout = "o"\n')
    with pytest.raises(InputError, match=message):
        load_recipe(file, [override])
