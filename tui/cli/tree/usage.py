"""Command lines that cannot be run, as one-line errors that name the nearest command, option or choice."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Any

from typer import TyperException
from typer.core import TyperCommand, TyperGroup, TyperOption

from agent.errors import InputError
from tui.cli.terminal.interrupts import CommandInterruptedError
from tui.installation import EXTRAS

_INVALID_CHOICE = re.compile(
    r"Invalid value for (?P<name>.+?): (Value error, )?(?P<value>'.*') is not one of (?P<choices>.+)"
)
_NUMBERS = {"integer": "a whole number", "number": "a number"}
_NUMBER_WORDING = re.compile(r"Input should be a valid (integer|number), unable to parse string as an? \w+")
"""pydantic's words for text that is no number."""
ALMOST = 0.75
"""The similarity of difflib from which a first argument is taken for a mistyped command."""


class Group(TyperGroup):
    """A group of commands that names the nearest one when it is asked for one that does not exist."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that `args` begins with. Raises InputError where there is none."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            near = get_close_matches(name, self.list_commands(ctx), n=1)
            hint = (
                f"did you mean `{ctx.command_path} {near[0]}`?"
                if near
                else f"see `{ctx.command_path} --help`"
            )
            if not near and " " in name.strip():
                hint = f'ask a question with `umi ask "{name}"`'
            raise InputError(f"{ctx.command_path} has no command {name!r}", hint)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Raises InputError where typer's own error does not say which command it is of."""
        try:
            return super().invoke(ctx)
        except TyperException as error:
            if getattr(error, "ctx", None) is None and ctx.invoked_subcommand:
                raise usage_error(error, f"{ctx.command_path} {ctx.invoked_subcommand}") from None
            raise


class ExtraGroup(Group):
    """The commands of an optional part of the installation; the group has the name of its extra."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command.

        Raises InputError where a module of the extra is not installed, and CommandInterruptedError after
        Ctrl-C.
        """
        extra = self.name or ""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            module = (error.name or "").partition(".")[0]
            if module not in EXTRAS[extra]:
                raise
            raise InputError(
                f"`umi {extra}` needs {module}, which is not installed", f"pip install 'umi-agent[{extra}]'"
            ) from None
        except KeyboardInterrupt:
            raise CommandInterruptedError("give the same command again to finish") from None


def default_command(name: str) -> type[Group]:
    """Return a group whose command `name` runs where the first argument is none of its commands.

    What is almost the name of a command, and names no file, is taken for a command.
    """

    class DefaultCommandGroup(Group):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            """Parse `args`, with `name` put first unless they begin with a command or with --help."""
            commands = self.list_commands(ctx)
            if args and args[0] not in ("--help", *commands):
                near = get_close_matches(args[0], commands, n=1, cutoff=ALMOST)
                if not near or os.path.exists(args[0]):
                    args = [name, *args]
            return super().parse_args(ctx, args)

    return DefaultCommandGroup


class ListOptionsCommand(TyperCommand):
    """A command whose repeatable options take all values up to the next option: `--against A B`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse `args` with each further value of a repeatable option given the option's name."""
        names = {
            name
            for parameter in self.params
            if isinstance(parameter, TyperOption) and parameter.multiple
            for name in parameter.opts
        }
        return super().parse_args(ctx, repeat_options(args, names))


def repeat_options(args: Sequence[str], names: Collection[str]) -> list[str]:
    """Return `args` with `--name A B` written as `--name A --name B` for the options in `names`."""
    repeated: list[str] = []
    option = ""
    for at, argument in enumerate(args):
        if argument == "--":
            return [*repeated, *args[at:]]
        if argument.startswith("-"):
            option = argument if argument in names else ""
        elif option and repeated[-1] != option:
            repeated.append(option)
        repeated.append(argument)
    return repeated


def usage_error(error: TyperException, command: str = "umi") -> InputError:
    """Return what typer found wrong with the command line as an InputError that names the next step.

    `command` is the command where the error does not hold it.
    """
    ctx = getattr(error, "ctx", None)
    command = ctx.command_path if ctx else command
    hint = f"see `{command} --help`"
    message = error.format_message().rstrip(".")
    option = getattr(error, "option_name", None)
    if option and message.startswith("No such option"):
        names = [name for parameter in ctx.command.params for name in parameter.opts] if ctx else []
        near = get_close_matches(option, [*names, "--help"], n=1)
        if near:
            hint = f"did you mean {near[0]}?"
        elif command == "umi ask":
            hint = "put -- before a question that begins with a dash"
        return InputError(f"{command} has no option {option}", hint)
    if match := _INVALID_CHOICE.fullmatch(message):
        choices = match["choices"].replace("'", "").split(", ")
        near = get_close_matches(match["value"].strip("'"), choices, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(choices)}"
        name = match["name"].strip("'")
        return InputError(f"{command}: {name}: invalid choice: {match['value']}", hint)
    message = _NUMBER_WORDING.sub(lambda found: f"it must be {_NUMBERS[found[1]]}", message)
    return InputError(f"{command}: {message[:1].lower()}{message[1:]}", hint)
