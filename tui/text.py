"""Text that models, tools and files wrote, made safe and short for a terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agent.transcript import compact

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed: they steer a terminal
    "\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction marks: they show text in another order than it has
    "\ud800-\udfff]"  # halves of surrogate pairs: no stream can encode them
)


def plain(text: str) -> str:
    """`text` with every character that could steer a terminal or hide text spelled out (`\\x1b`)."""
    text = text.replace("\r\n", "\n").expandtabs(4)
    return _UNSEEN.sub(lambda match: match.group().encode("unicode_escape").decode("ascii"), text)


def one_line(text: str, limit: int = 0) -> str:
    """`plain` text with its white space folded, cut to `limit` characters where that is not 0."""
    line = " ".join(plain(text).split())
    return line if not limit or len(line) <= limit else f"{line[: limit - 1]}…"


def call_line(name: str, arguments: Mapping[str, Any], limit: int = 160) -> str:
    """A call as `name  key=value  key=value`, at most `limit` characters."""
    pairs = (f"{key}={compact(value)}" for key, value in arguments.items())
    line = "  ".join(one_line(part) for part in (name, *pairs))
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def size_text(size: int) -> str:
    """A number of bytes as people read it (powers of 1000)."""
    if size < 1000:
        return f"{size} B"
    for unit, factor in (("kB", 1e3), ("MB", 1e6), ("GB", 1e9)):
        if size < factor * 1000 or unit == "GB":
            return f"{size / factor:.1f} {unit}"
    raise AssertionError("the last unit takes every size")


def folded(text: str, lines: int) -> tuple[str, int]:
    """The first `lines` lines of `text`, and how many more there are."""
    every = text.split("\n")
    return "\n".join(every[:lines]), max(0, len(every) - lines)
