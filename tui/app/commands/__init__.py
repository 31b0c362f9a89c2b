"""The slash commands of the app: a registry, and one module for each group of commands.

To add a command, write a `SlashCommand` in a module here and put it into that module's table; a new module's
table goes into `COMMANDS` below.
"""

from __future__ import annotations

from tui.app.commands import agent, consent, conversation, general, sessions
from tui.app.commands.registry import SlashCommand, find, parse

COMMANDS: tuple[SlashCommand, ...] = (
    *general.COMMANDS,
    *conversation.COMMANDS,
    *sessions.COMMANDS,
    *agent.COMMANDS,
    *consent.COMMANDS,
)
"""All commands, in the order in which the help screen shows them."""

__all__ = ["COMMANDS", "SlashCommand", "find", "parse"]
