"""Pieces of Markdown made of values that come from people: whatever these hold, they stay text.

A value that is missing, or not of the kind that is expected, makes an empty text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any


def section(title: str, body: str) -> str:
    """`body` under a heading; nothing without it."""
    return f"## {title}\n\n{body}" if body else ""


def paragraphs(*texts: str) -> str:
    """The texts that are not empty, with a line between them."""
    return "\n\n".join(filter(None, texts))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], note: str = "") -> str:
    """A table without the columns that are empty, and a note below it; nothing where there are no rows."""
    kept = list(rows)
    columns = [i for i in range(len(head)) if any(row[i] for row in kept)]
    lines = [[head[i] for i in columns], ["---"] * len(columns), *([row[i] for i in columns] for row in kept)]
    made = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return paragraphs(made, note) if kept else ""


def number(value: Any, form: str) -> str:
    """A number in a format of `format`; one with a fraction is never written as a whole number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ""
    return format(value, form if isinstance(value, int) or "d" not in form else "g")


def text(value: Any) -> str:
    """A text or number in one line, as Markdown that shows just that."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&:@])", r"\\\1", plain(value))


def code(value: Any) -> str:
    """A text in one line as code, which may stand in a table."""
    line = plain(value).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    padded = f" {line} " if "`" in line else line
    return f"{fence}{padded}{fence}" if line else ""


def plain(value: Any) -> str:
    """A text or number in one line that can be printed."""
    line = str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
    return " ".join("".join(c if c.isprintable() else " " for c in line).split())


def argument(value: str) -> str:
    """A file's name as an argument in a block of commands."""
    return value if re.fullmatch(r"[\w.+-]+", value, re.ASCII) else json.dumps(plain(value).replace("`", "'"))


def slug(value: str) -> str:
    """A text as a name for programs: lower-case letters, digits, dots and dashes."""
    return re.sub(r"[^a-z0-9.]+", "-", value.lower()).strip("-.") or "umi"
