"""Markdown from values that users wrote, escaped so that they stay text.

A value that is missing, or not of the expected type, becomes an empty text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any


def section(title: str, body: str) -> str:
    """Return `body` under a heading; an empty text without it."""
    return f"## {title}\n\n{body}" if body else ""


def paragraphs(*texts: str) -> str:
    """Return the texts that are not empty, with an empty line between them."""
    return "\n\n".join(filter(None, texts))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], note: str = "") -> str:
    """Return a table without its empty columns, and a note below it; an empty text without rows."""
    listed = list(rows)
    columns = [i for i in range(len(head)) if any(row[i] for row in listed)]
    lines = [
        [head[i] for i in columns],
        ["---"] * len(columns),
        *([row[i] for i in columns] for row in listed),
    ]
    markdown = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return paragraphs(markdown, note) if listed else ""


def number(value: Any, form: str) -> str:
    """Return a number in a format of `format`; a float is never written as a whole number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ""
    return format(value, form if isinstance(value, int) or "d" not in form else "g")


def text(value: Any) -> str:
    """Return a text or number in one line, escaped for Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&:@])", r"\\\1", plain(value))


def code(value: Any) -> str:
    """Return a text in one line as code, which may be in a table."""
    line = plain(value).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    padded = f" {line} " if "`" in line else line
    return f"{fence}{padded}{fence}" if line else ""


def plain(value: Any) -> str:
    """Return a text or number in one line of printable characters."""
    line = str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
    return " ".join("".join(c if c.isprintable() else " " for c in line).split())


def argument(value: str) -> str:
    """Return a file's name as an argument of a shell command."""
    return value if re.fullmatch(r"[\w.+-]+", value, re.ASCII) else json.dumps(plain(value).replace("`", "'"))


def slug(value: str) -> str:
    """Return a text as an identifier: lower-case letters, digits, dots and dashes."""
    return re.sub(r"[^a-z0-9.]+", "-", value.lower()).strip("-.") or "umi"
