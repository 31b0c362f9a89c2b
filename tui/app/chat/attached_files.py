"""Files given along with a question: `@file` in its text, and long pasted texts, which become files.

The models read `README.md` where a person wrote `@README.md`; the file follows as an observation of
`read_file` (`agent.attachments`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import InputError
from agent.events import CallProposed, Event
from agent.paths import data_folder, write_private

if TYPE_CHECKING:
    from agent.attachments import Attachment
    from agent.tools.toolbox import Toolbox

LONG_LINES = 12
LONG_CHARACTERS = 1500
"""A pasted text of more lines or characters is attached instead of inserted."""

_MENTION = re.compile(r'(?<!\S)@(?:"([^"\n]+)"|([^\s"]+))')
_PASTED = re.compile(r"pasted-\d{8}-\d{6}(-\d+)?\.txt")


@dataclass(frozen=True)
class Question:
    """A question as the models read it, and the files that it names."""

    text: str
    attachments: tuple[Attachment, ...] = ()


def is_long(text: str) -> bool:
    """Return whether a pasted text is attached instead of inserted."""
    return len(text) > LONG_CHARACTERS or text.count("\n") >= LONG_LINES


def pasted_folder() -> Path:
    """Return the folder of pasted texts."""
    return data_folder() / "pasted"


def save_pasted(text: str) -> str:
    """Write a pasted text to a file of its own; return the name to mention. Raise OSError as writing does."""
    stem = time.strftime("pasted-%Y%m%d-%H%M%S")
    name, number = f"{stem}.txt", 2
    while (pasted_folder() / name).exists():
        name, number = f"{stem}-{number}.txt", number + 1
    write_private(pasted_folder() / name, text)
    return name


def question_of(typed: str, toolbox: Toolbox) -> Question:
    """Return the question of a typed text, its files read.

    A word behind `@` is a file where there is one, or where it looks like one. Raise InputError for one that
    cannot be read.
    """
    from agent.attachments import read_attachments  # loaded with the models, after the first paint

    root = toolbox.context.workspace.root

    def replace(match: re.Match[str]) -> str:
        path = match[1] or match[2]
        rest = ""
        while match[1] is None and path and not (root / path).exists() and path[-1] in ".,;:?!)":
            path, rest = path[:-1], path[-1] + rest
        pasted = bool(_PASTED.fullmatch(path)) and (pasted_folder() / path).is_file()
        if not pasted and not (path and (root / path).exists()):
            if "." not in path and "/" not in path:
                return match[0]
            raise InputError(f"there is no file {path} in {root}", "type @ and choose one from the list")
        files = [pasted_folder() / path] if pasted else [path]
        for attachment in read_attachments(toolbox, files, outside=pasted):
            if all(attachment != other for other in read):
                read.append(attachment)
        return path + rest

    read: list[Attachment] = []
    text = _MENTION.sub(replace, typed)
    return Question(text, tuple(read))


def mentioned(path: str) -> str:
    """Return the text that attaches a file: `@path`, quoted where it holds a space."""
    return f'@"{path}"' if re.search(r"\s", path) else f"@{path}"


def typed_again(question: str, events: Sequence[Event]) -> str:
    """Return a stored question as it was typed: the files that its turn began with are mentioned again."""
    for event in events:
        if isinstance(event, CallProposed) and event.step == 0:
            path = str(event.arguments.get("path", ""))
            name = Path(path).name if _PASTED.fullmatch(Path(path).name) else path
            if name and mentioned(name) not in question:
                question = question.replace(name, mentioned(name), 1)
    return question
