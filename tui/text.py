"""Untrusted text (of models, tools and files) made safe and short for a terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.events import Mentioned, Trimmed

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed: they steer a terminal
    "\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction marks: they show text in another order than it has
    "\ud800-\udfff]"  # halves of surrogate pairs: no stream can encode them
)

_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
"""Characters drawn as nothing or as a blank that Unicode counts among letters, marks or symbols."""


def plain(text: str) -> str:
    """Return `text` with every character that could steer a terminal or hide text escaped (`\\x1b`)."""
    return without_controls(text.replace("\r\n", "\n").expandtabs(4))


def without_controls(text: str) -> str:
    """Return `text` with control characters and direction marks escaped; line feeds and tabs stay."""
    text = text.replace("\r\n", "\n")
    return _UNSAFE.sub(lambda match: match.group().encode("unicode_escape").decode("ascii"), text)


def visible(text: str) -> str:
    """Return `text` with every character escaped that is not seen as what it is, but line breaks and tabs.

    These are what `plain` escapes, carriage returns, format characters (zero-width ones, joiners, tags),
    variation selectors, and all spaces but the ordinary one. For questions that a person decides by.
    """

    def shown(character: str) -> str:
        if character == "\n" or (character.isprintable() and not _is_blank(character)):
            return character
        return character.encode("unicode_escape").decode("ascii")

    return "".join(map(shown, text.expandtabs(4)))


def _is_blank(character: str) -> bool:
    variation = "\ufe00" <= character <= "\ufe0f" or "\U000e0000" <= character <= "\U000e0fff"
    return variation or character in _BLANK


def json_without_controls(text: str) -> str:
    """Return a JSON text with the same characters escaped as JSON does (`\\u001b`): its value is the same."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def json_for(encoding: str | None, text: str) -> str:
    """Return a JSON text for a stream of that encoding: what it lacks is escaped as JSON does."""
    try:
        text.encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        units = text.encode("utf-16-be", "surrogatepass")
        pairs = (int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))
        return "".join(chr(unit) if unit < 128 else f"\\u{unit:04x}" for unit in pairs)
    return text


def one_line(text: str, limit: int = 0) -> str:
    """Return `plain(text)` on one line, white space collapsed, cut to `limit` characters unless 0."""
    line = " ".join(plain(text).split())
    return line if not limit or len(line) <= limit else f"{line[: limit - 1]}…"


def call_line(name: str, arguments: Mapping[str, Any], limit: int = 160) -> str:
    """Return a call as `name  key=value  key=value`, at most `limit` characters."""
    from agent.transcript import (
        compact,
    )  # loads pydantic, and an error of a command line is printed without it

    pairs = (f"{key}={compact(value)}" for key, value in arguments.items())
    line = "  ".join(one_line(part) for part in (name, *pairs))
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def size_text(size: int) -> str:
    """Return a number of bytes with a unit (powers of 1000)."""
    if size < 1000:
        return f"{size} B"
    for unit, factor in (("kB", 1e3), ("MB", 1e6), ("GB", 1e9)):
        if size < factor * 1000 or unit == "GB":
            return f"{size / factor:.1f} {unit}"
    raise AssertionError("the last unit takes every size")


def truncate_lines(text: str, lines: int) -> tuple[str, int]:
    """Return the first `lines` lines of `text`, and the number of lines that are left out."""
    parts = text.split("\n")
    return "\n".join(parts[:lines]), max(0, len(parts) - lines)


def count_text(number: int, noun: str) -> str:
    """Return `1 line`, `2 lines`, `1,200 lines`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def trimmed_text(event: Trimmed) -> str:
    """Return what was left out of a full context, the questions by their first words, without a full stop."""
    number = len(event.questions)
    what: list[str] = []
    if number:
        first = ", ".join(f"“{one_line(question, 40)}”" for question in event.questions[:3])
        more = f" and {number - 3} more" if number > 3 else ""
        what.append(f"{count_text(number, 'earlier question')} ({first}{more}) with what followed")
    if event.rest or not number:
        count = event.rest or event.dropped
        what.append(
            "an older step or part of a result" if count == 1 else f"{count} older steps or parts of results"
        )
    return f"To make room, the models no longer see {' and '.join(what)}"


def mentioned_text(event: Mentioned) -> str:
    """Return which files a question is taken to speak of, without a full stop."""
    return f"Taken to speak of {' and '.join(one_line(path) for path in event.paths)}"


def folder_text(path: Path) -> str:
    """Return a folder's path, with `~` for the home folder."""
    try:
        inside = path.relative_to(Path.home())
    except (ValueError, RuntimeError):
        return str(path)
    return "~" if inside == Path() else f"~/{inside}"
