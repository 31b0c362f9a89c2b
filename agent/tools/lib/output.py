"""How a tool's result becomes text of bounded length that is safe to show."""

from __future__ import annotations

import re
from collections.abc import Sequence

LIMIT = 4000
"""Characters of an observation, about 1,000 tokens; the note on what was left out comes on top."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: str) -> str:
    """`text` without control characters (escape sequences could repaint a terminal) and lone surrogates."""
    return _CONTROL.sub("", text)


def on_one_line(name: str) -> str:
    """A file's name as it can stand in a list: names may hold anything, line breaks included."""
    return printable(name).replace("\n", "")


def counted(number: int, noun: str) -> str:
    """`1 day`, `3 days`."""
    return f"{number} {noun}" if abs(number) == 1 else f"{number} {noun}s"


def clipped(text: str, length: int) -> str:
    """`text` on one line, at most `length` characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def bounded(lines: Sequence[str], note: str = "") -> str:
    """The lines as one text of about `LIMIT` characters; says how much it leaves out, then `note`."""
    shown: list[str] = []
    room = LIMIT
    for line in lines:
        if len(line) > room:
            if not shown:
                shown.append(f"{line[:room]}… ({len(line) - room} more characters)")
            break
        shown.append(line)
        room -= len(line) + 1
    if left := len(lines) - len(shown):
        shown.append(f"… ({left} more {'line' if left == 1 else 'lines'})")
    if note:
        shown.append(f"… ({note})")
    return printable("\n".join(shown))
