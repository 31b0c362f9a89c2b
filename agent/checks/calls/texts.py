"""Rules that calls which write a text are checked by, against the words of the question."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agent.transcript import Call

_WRITES = re.compile(
    r"\b(?:writ|sav|put|stor|creat|mak|add|append|cop[iy]|chang|replac|overwrit|record|insert|remov|delet|correct"
    r"|fix|updat|edit|note|jot|type|keep|hold|export|dump|print|prepar|generat|compos|produc|draft|enter|contain"
    r"|list for|locate|want|shall\b)"
    r"|\b(?:should|must|has to) (?:read|say|tell|be|have|find)\b|\bturn\b.*\binto\b|> ?\S+$",
    re.IGNORECASE,
)
_ASKS = re.compile(r"\b(?:what|which|when|where|who|whose|how|look|read|show|tell|give)\b", re.IGNORECASE)
_QUOTED = re.compile(r"(?<!\w)(?:'([^'\n]{3,})'|\"([^\"\n]{3,})\"|\u201c([^\u201d\n]{3,})\u201d)(?!\w)")
_TEXT_OF = {"write_file": "content", "add_note": "text"}


def unasked_write(arguments: Mapping[str, Any], question: str) -> str | None:
    """A question that asks for something to be told, and has no word of writing, writes no file."""
    if _ASKS.search(question) and not _WRITES.search(question):
        return "the question does not ask to write anything"
    return None


def path_as_content(arguments: Mapping[str, Any], question: str) -> str | None:
    """The path and the content of a file are not the same words of a question."""
    inner, outer = sorted((str(arguments.get("path", "")), str(arguments.get("content", ""))), key=len)
    words = re.compile(rf"(?<!\w){re.escape(inner)}(?!\w)") if inner.strip() else None
    if words and outer in question and 0 < len(words.findall(question)) <= len(words.findall(outer)):
        return "the path and the content are the same words of the question"
    return None


def misquoted_text(call: Call, question: str) -> str:
    """A text that a question quotes is written as it stands there, where a call writes most of its words."""
    written = str(call.arguments.get(_TEXT_OF.get(call.name, ""), ""))
    words = set(written.split())
    for found in _QUOTED.finditer(question) if written else ():
        text = next(group for group in found.groups() if group)
        parts = text.split()
        alike = sum(part in words for part in parts)
        if text not in written and 2 * alike >= len(parts) and len(parts) > 1:
            return f"the question quotes “{text}” and the call writes something else"
    return ""
