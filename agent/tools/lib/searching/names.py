"""Search for files by their names and by those of their folders."""

from __future__ import annotations

import re
from collections.abc import Sequence

LEAST_LETTERS = 3
"""Letters that a name has at least which is found in another spelling, or in the name of a folder."""


def files_named(files: Sequence[str], wanted: str) -> list[str]:
    """Return the files whose name contains the lower-case `wanted`, else by another reading of it.

    The readings: in another spelling (spaces, hyphens, underscores, dots and the plural make no difference),
    all its words in any order, and the same in the path.
    """
    if not wanted:
        return []
    if found := [file for file in files if wanted in _subject(file, wanted)]:
        return found
    for subject in (_subject, _path):
        names = {file: subject(file, wanted) for file in files}
        for readings in _readings(wanted):
            found = [file for file, name in names.items() if all(part in letters(name) for part in readings)]
            if found and all(len(part) >= LEAST_LETTERS for part in readings):
                return found
    return []


def identifier(wanted: str) -> str:
    """Return the one of several words, as they were written, that has a digit or a capital; else nothing."""
    words = [word.strip(".,:;'\"") for word in wanted.split()]
    found = [word for word in words if re.search(r"\d|[A-Z]", word) and len(word) >= LEAST_LETTERS]
    return found[0] if len(words) > 1 and len(found) == 1 else ""


def _readings(wanted: str) -> list[list[str]]:
    """Return what a name may contain instead of `wanted`, all of a list: without separators and plurals."""
    words = [singular(word) for word in re.split(r"[\s_.-]+", wanted) if word]
    return [[letters(wanted)], [singular(letters(wanted))], words]


def singular(word: str) -> str:
    """Return a word without the s of the plural."""
    return re.sub(r"(?<=[^s])s$", "", word)


def _subject(file: str, wanted: str) -> str:
    return (file if "/" in wanted else file.rpartition("/")[2]).lower()


def _path(file: str, _wanted: str) -> str:
    return file.lower()


def letters(name: str) -> str:
    """Return a name without what separates its words."""
    return re.sub(r"[\s_.-]+", "", name)
