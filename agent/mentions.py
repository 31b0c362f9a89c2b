"""Files that a question names without their path: "the letter to Martha" for `letters/To Martha.md`.

Small models take a name that is no path for something else, or refuse. So a question that names a file of the
workspace by the words of its name is shown to them with the path behind it, in parentheses.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.tools import Workspace
    from agent.transcript import ToolSpec

READ_FILE = "read_file"
"""The tool without which no file is looked up."""
MAX_FILES = 300
"""Files and folders of the workspace. Of a larger one no names are looked up: it would take time before every
question, and words of a question then fit some file by chance."""
MAX_MENTIONS = 2
_LEAST_LETTERS = 4
_WORD = re.compile(r"[^\W_]+")
_FILE_NAME = re.compile(r"\w\.[A-Za-z]\w{0,4}\b|/\w")
"""What says that the person writes paths: an extension, a slash before a name."""
_NOTES = {"note", "notes"}
_DOCUMENTS = {
    *("", ".cfg", ".conf", ".csv", ".html", ".ics", ".ini", ".json", ".log", ".md", ".org", ".rst", ".srt"),
    *(".tex", ".toml", ".tsv", ".txt", ".vcf", ".xml", ".yaml", ".yml"),
}
"""Extensions of what people write; names of programs' sources are words of any question."""
_PLAIN = re.compile(r"[\w .,&'+-]{1,60}")
"""A part of a path that may stand among a person's words: anybody may have named the folders."""
_COMMON = {
    *("about", "copy", "data", "document", "documents", "folders", "from", "have", "index", "info", "main"),
    *("many", "much", "page", "report", "reports", "sheet", "that", "them", "there", "they", "this"),
    *("untitled", "were", "what", "when", "where", "which", "will", "with", "your"),
}
"""Names of files that are words of everyday requests, beside those of the tools' descriptions."""


def mentioned_files(question: str, workspace: Workspace, tools: Sequence[ToolSpec]) -> tuple[str, ...]:
    """Return the paths of at most `MAX_MENTIONS` files that `question` names by the words of their names.

    None where the question holds a path, a name with an extension or numbers that are in no name, or speaks
    of notes, which are no files. No file whose name another one has as well, unless the words of its folder
    stand in the question too, and none whose name is in words of the descriptions of `tools`.
    """
    said = words(question)
    if _FILE_NAME.search(question) or not _NOTES.isdisjoint(said):
        return ()
    files, complete = workspace.files(most=MAX_FILES) if said else ([], False)
    if not complete:
        return ()
    common = _COMMON.union(*(words(tool.line()) for tool in tools))
    named = sorted(_named(said, files, common))[:MAX_MENTIONS]
    in_names = {word for _, path in named for word in words(PurePosixPath(path).stem)}
    if any(not word.isalpha() and word not in in_names for word in said):
        return ()
    return tuple(path for _, path in named)


def with_mentions(question: str, paths: Sequence[str]) -> str:
    """Return a question as the models see it: with the paths of the files that it names behind it."""
    return f"{question} ({', '.join(paths)})" if paths else question


def words(text: str) -> list[str]:
    """Return the words of a text in lower case: runs of letters and digits."""
    return _WORD.findall(text.lower())


def _named(said: Sequence[str], files: Iterable[str], common: set[str]) -> list[tuple[int, str]]:
    """Return where each file is named that is the only one with its name, and its path."""
    places: dict[tuple[int, int], list[str]] = defaultdict(list)
    for path in files:
        file = PurePosixPath(path)
        name = words(file.stem)
        if (
            file.suffix.lower() in _DOCUMENTS
            and all(map(_PLAIN.fullmatch, file.parts))
            and (at := _find(name, said)) is not None
            and _is_telling(name, common)
        ):
            places[at, at + len(name)].append(path)
    found = []
    for (start, end), paths in places.items():
        if any(a <= start and end <= b and (a, b) != (start, end) for a, b in places):
            continue  # a part of a longer name
        if len(paths) > 1:
            paths = [path for path in paths if _names_folder(path, said)]
        if len(paths) == 1:
            found.append((start, paths[0]))
    return found


def _is_telling(name: Sequence[str], common: set[str]) -> bool:
    return any(len(word) >= _LEAST_LETTERS and word.isalpha() and word not in common for word in name)


def _names_folder(path: str, said: Sequence[str]) -> bool:
    folders = [words(part) for part in PurePosixPath(path).parent.parts]
    return bool(folders) and any(_find(folder, said) is not None for folder in folders)


def _find(name: Sequence[str], said: Sequence[str]) -> int | None:
    """Return where the words of a name stand in a row, None where they do not."""
    length = len(name)
    rows = range(len(said) - length + 1) if length else ()
    return next((at for at in rows if said[at : at + length] == list(name)), None)
