"""What a slash command is, and how one is found by what was typed."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from agent.errors import InputError

if TYPE_CHECKING:
    from tui.app.app import UmiApp

Run = Callable[["UmiApp", str], Awaitable[None]]
"""Runs a command on the app with the text behind its name; may raise UmiError, which the app shows."""


@dataclass(frozen=True)
class SlashCommand:
    """A command that is typed into the message input."""

    name: str
    """Without the slash, in lower case."""
    help: str
    """What it does, in one line without a full stop."""
    run: Run
    arguments: str = ""
    """A hint of what may follow the name, such as `[NAME]`; empty where nothing may."""
    aliases: tuple[str, ...] = ()
    """Other names, without the slash."""

    @property
    def usage(self) -> str:
        """The command as it is typed."""
        return f"/{self.name} {self.arguments}".rstrip()


_COMMAND = re.compile(r"/([A-Za-z][A-Za-z-]*)?(?:[ \t]+(.*))?", re.DOTALL)


def parse(text: str) -> tuple[str, str] | None:
    """Return the lower-case name and the rest of a message that is a command, else None.

    A path such as /etc/hosts is none, nor is a text of several lines.
    """
    match = _COMMAND.fullmatch(text.strip())
    if match is None or "\n" in text.strip():
        return None
    return (match[1] or "").lower(), (match[2] or "").strip()


def find(commands: Sequence[SlashCommand], name: str) -> SlashCommand:
    """Return the command of that name or alias, in any case. Raise InputError, with the nearest, for none."""
    by_name = {known: command for command in commands for known in (command.name, *command.aliases)}
    if command := by_name.get(name.lower()):
        return command
    near = get_close_matches(name.lower(), by_name, n=1)
    hint = f"did you mean /{near[0]}?" if near else "/help lists them"
    raise InputError(f"there is no command /{name}", hint)
