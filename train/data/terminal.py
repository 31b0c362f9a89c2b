"""Text that data brought along, made fit for a terminal."""

from __future__ import annotations

import os
from typing import TextIO

DIM, RESET = "\x1b[2m", "\x1b[0m"


def visible(text: str) -> str:
    """`text` with every character that could steer a terminal or hide text spelled out (`\\x1b`).

    Line feeds and tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def dimmed(text: str) -> str:
    """`text` in faint letters, each line by itself, since pagers forget the style at its end."""
    return "\n".join(f"{DIM}{line}{RESET}" if line else "" for line in text.split("\n"))


def wants_colour(stream: TextIO, choice: str) -> bool:
    """Whether to style what goes to `stream`. `choice` is `always`, `never` or `auto`.

    `auto` is yes for a terminal, unless NO_COLOR is set (no-color.org) or the terminal is a dumb one.
    """
    if choice != "auto":
        return choice == "always"
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
