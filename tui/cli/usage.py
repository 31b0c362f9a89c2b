"""A command line that cannot be understood, told in one line with the nearest thing that exists."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from typer import TyperException
from typer.core import TyperGroup

from agent.errors import InputError


class Group(TyperGroup):
    """A group of commands that names the nearest one when it is asked for one that does not exist."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As typer's. Raises InputError for an unknown command."""
        name = args[0]
        if self.get_command(ctx, name) is None:
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


def usage_error(error: TyperException) -> InputError:
    """What typer found wrong with the command line, as an InputError with a next step."""
    ctx = getattr(error, "ctx", None)
    command = ctx.command_path if ctx else "umi"
    hint = f"see `{command} --help`"
    what = error.format_message().rstrip(".")
    option = getattr(error, "option_name", None)
    if option and what.startswith("No such option"):
        names = [name for parameter in ctx.command.params for name in parameter.opts] if ctx else []
        near = get_close_matches(option, [*names, "--help"], n=1)
        what = f"{command} has no option {option}"
        if near:
            hint = f"did you mean {near[0]}?"
        elif command == "umi ask":
            hint = "put -- before a question that begins with a dash"
        return InputError(what, hint)
    return InputError(f"{command}: {what[:1].lower()}{what[1:]}", hint)
