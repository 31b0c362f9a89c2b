"""Safe display of text from data files on a terminal."""

from __future__ import annotations

import os
from typing import TextIO

DIM, RESET = "\x1b[2m", "\x1b[0m"


def visible(text: str) -> str:
    """Return `text` with characters that could control a terminal or hide text escaped (`\\x1b`).

    Line feeds and tabs are kept.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def dim(text: str) -> str:
    """Return `text` dimmed, each line separately, since pagers reset the style at line ends."""
    return "\n".join(f"{DIM}{line}{RESET}" if line else "" for line in text.split("\n"))


def wants_colour(stream: TextIO, choice: str) -> bool:
    """Return whether to use styles on `stream`. `choice` is `always`, `never` or `auto`.

    `auto` is True for a terminal, unless NO_COLOR is set (no-color.org) or TERM is `dumb`.
    """
    if choice != "auto":
        return choice == "always"
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
