"""Formatting of observations: bounded length, no control characters."""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_CHARACTERS = 4000
"""Maximum length of an observation, about 1,000 tokens; the remark on what was left out is not counted."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def strip_control(text: str) -> str:
    """Return `text` without lone surrogates and control characters, which could repaint a terminal."""
    return _CONTROL.sub("", text)


def safe_name(name: str) -> str:
    """Return a file name without control characters and line breaks, which file names may contain."""
    return strip_control(name).replace("\n", "")


def pluralize(number: int, noun: str) -> str:
    """Return `1 day`, `3 days`."""
    return f"{number} {noun}" if abs(number) == 1 else f"{number} {noun}s"


def shorten(text: str, length: int) -> str:
    """Return `text` with white space collapsed, cut to at most `length` characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def join_lines(lines: Sequence[str], remark: str = "") -> str:
    """Return the lines as one text of about `MAX_CHARACTERS` characters.

    Lines that do not fit are counted in a last line; `remark` follows in parentheses if it is not empty.
    """
    shown: list[str] = []
    room = MAX_CHARACTERS
    for line in lines:
        if len(line) > room:
            if not shown:
                shown.append(f"{line[:room]}… ({len(line) - room} more characters)")
            break
        shown.append(line)
        room -= len(line) + 1
    if left_out := len(lines) - len(shown):
        shown.append(f"… ({left_out} more {'line' if left_out == 1 else 'lines'})")
    if remark:
        shown.append(f"… ({remark})")
    return strip_control("\n".join(shown))
