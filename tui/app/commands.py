"""The commands of the chat that answer with a text: help, the modes, what is allowed, undo."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.consent.policy import Policy
from agent.errors import UmiError
from tui.app.blocks import NoteBlock
from tui.cli.undo import undo_message
from tui.text import call_line

HELP = """\
Enter sends, Shift+Enter or Ctrl+J makes a new line, Up and Down bring back what you sent.
Esc stops the answer. Page Up and Page Down scroll. Ctrl+O shows or folds long results.
Ctrl+Y or /copy copies the last answer. Ctrl+Q, /quit, or Ctrl+C twice leaves.
When a call asks first: Ctrl+G allows it once, Esc refuses it, Tab leads to the other answers.
Shift+Tab switches the mode, /mode explains it. /allowed lists what runs without a question,
/revoke TOOL or /revoke all takes it back. /undo puts back what the last written file held before.
/new starts a new conversation. /help shows this."""

MODES = """\
Shift+Tab switches between three modes; the status line shows the one in force.
ask: umi asks before a tool changes anything. It starts so.
read-only: whatever is not reading is refused.
auto: files in this folder are written without a question; all else is still asked about."""


def is_command(text: str) -> bool:
    """Return whether a message is a command; a path such as /etc/hosts is none."""
    return re.fullmatch(r"/[a-z]*( .*)?", text) is not None


def answered(name: str, arguments: Sequence[str], policy: Policy | None) -> NoteBlock:
    """Return what the command `name` answers, an error for an unknown one."""
    try:
        match [name, *arguments]:
            case ["/help"]:
                return NoteBlock(HELP)
            case ["/mode"]:
                return NoteBlock(MODES)
            case ["/allowed"] if policy:
                return NoteBlock(_allowed(policy))
            case ["/revoke", tool] if policy:
                count = policy.revoke("" if tool == "all" else tool)
                return NoteBlock(f"Taken back: {count}." if count else "Nothing of that kind is allowed.")
            case ["/undo"]:
                return NoteBlock(undo_message())
            case ["/undo", number] if number.isascii() and number.isdecimal():
                return NoteBlock(undo_message(int(number)))
            case ["/undo", *_]:
                return NoteBlock("Say /undo, or /undo NUMBER with one of `umi undo --list`.", error=True)
            case ["/revoke"]:
                return NoteBlock("Say what: /revoke TOOL, or /revoke all.", error=True)
    except UmiError as error:
        return NoteBlock(str(error), error=True)
    return NoteBlock(f"There is no command {name}; /help lists them.", error=True)


def _allowed(policy: Policy) -> str:
    tools, calls = policy.allowed()
    lines = [f"{tool}, in {policy.workspace}" for tool in tools]
    lines += [f"{call_line(call.name, call.arguments)}, until umi ends" for call in calls]
    return "Without a question:\n" + "\n".join(lines) if lines else "Nothing is allowed without a question."
