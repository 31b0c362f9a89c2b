"""The question of `umi ask` about a call: to allow it, a number is typed that is drawn for each question.

What was typed before the question is discarded, and cannot hold the number; letters alone never allow.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import shlex
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.consent import Decision, Deny, Request
from agent.consent.policy import Policy
from agent.consent.request import PERSON
from agent.errors import UmiError
from agent.paths import parse_json
from agent.transcript import Call
from tui.approval_text import parts_of, title_of
from tui.cli.terminal.progress import say
from tui.text import one_line, truncate_lines

SHOWN_LINES = 20
"""Lines of a part of the question that are printed; `v` shows all of them."""
TRIES = 3
"""Numbers that may be typed before the call is refused: many in a row are no answer to the question."""
SHOWN_WIDTH = 400
"""Characters of a line that are printed."""

_QUIET_S = 0.3
"""Seconds without input after which what was typed ahead is taken to have ended."""
_QUIET_LIMIT_S = 5.0
"""Seconds to wait for that."""


class TerminalApproval:
    """Asks the person at the terminal: the question goes to stderr, a line of input is the answer.

    `read_line` returns it, empty where input has ended. Tools that are allowed from now on go to `policy`.
    """

    def __init__(
        self,
        read_line: Callable[[], str],
        policy: Policy | None,
        draw_number: Callable[[], str] = lambda: str(100 + secrets.randbelow(900)),
    ) -> None:
        self._read_line = read_line
        self._policy = policy
        self._draw_number = draw_number

    def __call__(self, request: Request) -> Decision:
        """Ask until the call is allowed or refused."""
        _print_question(request)
        wrong = 0
        while True:
            discard_typed_ahead()
            number = self._draw_number()
            self._print_answers(request, number)
            line = self._read_line().strip()
            command, _, rest = line.partition(" ")
            if line == number:
                return request.allow()
            if line == f"{number} here" and self._policy and request.kind == "permission":
                self._policy.remember_tool(request.call.name)
                return request.allow(f"{PERSON}, for this tool in this folder")
            if line.isdecimal() and (wrong := wrong + 1) < TRIES:
                say("  that is not the number; here is the question's new one")
            elif line == "v":
                _page(_whole(request))
            elif command == "e" and rest.partition("=")[0].strip() in request.call.arguments:
                request = _changed(request, rest)
                _print_question(request)
            else:
                return Deny(line)

    def _print_answers(self, request: Request, number: str) -> None:
        does = "make this call" if request.kind == "doubt" else "allow it"
        here = ""
        if self._policy and request.kind == "permission":
            here = f", {number} here to allow {one_line(request.call.name, 40)} in this folder from now on"
        names = " or ".join(one_line(name, 30) for name in request.call.arguments)
        say(f"  type {number} to {does}{here}")
        if names:
            say(f"  v shows everything; e NAME or e NAME=VALUE changes {names}")
        print("  anything else refuses it, and tells the planner why: ", end="", file=sys.stderr, flush=True)


def discard_typed_ahead() -> None:
    """Discard what was typed or pasted so far, and what still arrives of it, where input is a terminal."""
    try:
        descriptor = sys.stdin.fileno()
        if not os.isatty(descriptor):
            return
        until = time.monotonic() + _QUIET_LIMIT_S
        while select.select([descriptor], [], [], _QUIET_S)[0] and time.monotonic() < until:
            termios.tcflush(descriptor, termios.TCIFLUSH)
        termios.tcflush(descriptor, termios.TCIFLUSH)
    except (AttributeError, OSError, ValueError, termios.error):
        return  # no terminal: nothing can be typed ahead


def _print_question(request: Request) -> None:
    say(f"  {title_of(request)}")
    for part in parts_of(request):
        shown, more = truncate_lines(part.text.removesuffix("\n"), SHOWN_LINES)
        lines = [line if len(line) <= SHOWN_WIDTH else f"{line[:SHOWN_WIDTH]}…" for line in shown.split("\n")]
        if more:
            lines.append(f"… {more} more lines, v shows them")
        elif any(len(line) > SHOWN_WIDTH for line in shown.split("\n")):
            lines.append("… v shows all of it")
        if len(lines) > 1:
            lines.insert(0, "")
        say(f"    {part.label}:" + ("\n      ".join(lines) if len(lines) > 1 else f" {lines[0]}"))


def _whole(request: Request) -> str:
    parts = (f"{part.label}:\n{part.text}\n" for part in parts_of(request))
    return f"{title_of(request)}\n\n" + "\n".join(parts)


def _page(text: str) -> None:
    from pydoc import pager

    pager(text)


def _changed(request: Request, edit: str) -> Request:
    """Return the request with an argument changed as `NAME=VALUE` says, or `NAME` in the person's editor."""
    name, given, text = edit.partition("=")
    name = name.strip()
    value = request.call.arguments[name]
    try:
        written = text if given else _edited(value if isinstance(value, str) else json.dumps(value))
        new: Any = written if isinstance(value, str) else parse_json(written)
        return request.revised(Call(request.call.name, {**request.call.arguments, name: new}))
    except (UmiError, OSError, ValueError) as error:
        say(f"  that does not work: {one_line(str(error))}")
        return request


def _edited(text: str) -> str:
    """Return `text` as the person left it in $VISUAL, $EDITOR or vi. Raise OSError where that fails."""
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory(prefix="umi-") as folder:
        path = Path(folder) / "argument.txt"
        path.write_text(text, encoding="utf-8", newline="")
        if (code := subprocess.run([*editor, str(path)], check=False).returncode) != 0:
            raise OSError(f"{editor[0]} ended with code {code}")
        return path.read_bytes().decode("utf-8")
