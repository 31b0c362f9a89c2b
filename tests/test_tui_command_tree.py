"""The commands of `umi train` and `umi export` as the tree declares them, beside the code that they run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import typer

from export.options import Limits, Options
from train.benchmark.checkpoints import SHAPES
from train.benchmark.comparison import ARRANGEMENTS, TITLES, TOKENIZER_SIZE
from train.benchmark.memory import memory
from train.benchmark.speed import speed
from train.data.checks.check import check
from train.data.importers import IMPORTERS
from train.data.importing import import_rows
from train.data.make import make
from train.data.mix import mix
from train.data.show import show
from train.recipe import STAGES
from tui.cli.tree import train as tree
from tui.cli.tree import train_data as data_tree
from tui.cli.tree.root import umi
from tui.cli.tree.usage import repeat_options


def parameters(path: str) -> dict[str, Any]:
    """The parameters of a command, by name."""
    command: Any = typer.main.get_command(umi)
    for name in path.split():
        command = command.commands[name]
    return {parameter.name: parameter for parameter in command.params}


def choices(function: Callable[..., Any], name: str) -> tuple[str, ...]:
    """The choices of a command's parameter, which is a Literal, or one or None."""
    found = get_type_hints(function)[name]
    return get_args(found) if get_origin(found) is Literal else get_args(get_args(found)[0])


def test_choices_of_options_equal_those_of_the_code() -> None:
    for function, name in ((tree.run, "only"), (tree.glpft, "only"), (data_tree.show, "role")):
        assert choices(function, name) == STAGES
    assert choices(data_tree.import_data, "format") == tuple(IMPORTERS)
    assert choices(tree.bench_memory, "shape") == tuple(SHAPES)
    assert choices(tree.bench_trl, "arrangement") == ARRANGEMENTS
    assert f"Of {', '.join(TITLES)} " in parameters("train bench trl")["systems"].help


def test_defaults_of_an_export_are_those_of_its_options() -> None:
    given = parameters("export bundle")
    assert given["prompts"].default == parameters("export verify")["prompts"].default == Options.prompts
    assert (given["max_kl"].default, given["max_drop"].default) == (Limits().kl, Limits().drop)
    assert parameters("train bench trl")["vocabulary"].default == TOKENIZER_SIZE


@pytest.mark.parametrize(
    ("path", "function"),
    [
        ("train data make", make),
        ("train data import", import_rows),
        ("train data check", check),
        ("train data show", show),
        ("train data mix", mix),
        ("train bench trl", speed),
        ("train bench memory", memory),
    ],
)
def test_defaults_of_a_command_are_those_of_its_function(path: str, function: Callable[..., int]) -> None:
    declared = {name: parameter.default for name, parameter in parameters(path).items()}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.default is not inspect.Parameter.empty and name in declared:
            assert (declared[name] or None) == (parameter.default or None), name


def test_the_help_says_each_command_in_one_whole_line_of_80_columns() -> None:
    def groups(path: str, group: Any) -> Iterator[tuple[str, Any]]:
        yield path, group
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from groups(f"{path} {name}", command)

    for path, group in groups("umi", typer.main.get_command(umi)):
        help = group.get_help(typer.Context(group, info_name=path, terminal_width=80))
        listed = help.partition("Commands:\n")[2].splitlines()
        assert len(listed) == len(group.commands), path
        assert [line for line in listed if line.endswith("...")] == [], path
        for name, command in group.commands.items():
            assert 0 < len(command.get_short_help_str(limit=1000)) <= 55, f"{path} {name}"


def test_an_option_takes_all_values_up_to_the_next_option() -> None:
    given = ["rows", "--against", "a", "b", "--json", "c", "--against=d", "e", "--", "--against", "f", "g"]
    assert repeat_options(given, {"--against"}) == [
        *("rows", "--against", "a", "--against", "b", "--json", "c", "--against=d", "e"),
        *("--", "--against", "f", "g"),
    ]
    assert repeat_options(["--against", "--json"], {"--against"}) == ["--against", "--json"]


@pytest.mark.parametrize("command", ["ask", "serve", "mcp"])
def test_yes_is_said_to_allow_all_that_asks_not_writes_alone(command: str) -> None:
    assert parameters(command)["yes"].help == "Allow every call that needs permission."
