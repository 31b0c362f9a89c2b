"""What a call would change in a file: its real path, the whole new content, what of the old one is lost."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from agent.errors import ToolError
from agent.tools.lib.workspace import MAX_READ, Workspace, is_binary

CONTEXT_LINES = 2
"""Lines of a diff that are shown before and after each change."""
MAX_COMPARED = 1_000_000
"""Old lines times new lines that are aligned; above it, all that differs is one removal and one addition."""


@dataclass(frozen=True)
class Replaced:
    """A file that would be replaced: size in bytes, modification time in ns; no text where it is binary.

    `names` counts the file's hard links: the others keep what it held.
    """

    size: int
    changed_ns: int
    text: str | None
    names: int = 1


@dataclass(frozen=True)
class FileChange:
    """A file that a call would write. `path` is absolute, every link in it resolved."""

    path: Path
    after: str
    replaced: Replaced | None

    @property
    def lines_lost(self) -> int:
        """The lines of the replaced file that the new content does not hold; 0 where it is not text."""
        if self.replaced is None or self.replaced.text is None:
            return 0
        lost = Counter(_lines(self.replaced.text))
        lost.subtract(_lines(self.after))
        return sum(count for count in lost.values() if count > 0)

    def diff(self) -> Iterator[str]:
        """Yield the lines of a diff, each behind `-`, `+` or a space; none for a new file or one not text."""
        if self.replaced is None or self.replaced.text is None:
            return
        old, new = _lines(self.replaced.text), _lines(self.after)
        start = _common(old, new)
        end = _common(old[start:][::-1], new[start:][::-1])
        if (len(old) - start - end) * (len(new) - start - end) > MAX_COMPARED:
            yield f"@@ line {start + 1} @@"
            yield from (f"-{line}" for line in old[start : len(old) - end])
            yield from (f"+{line}" for line in new[start : len(new) - end])
            return
        first, last = max(0, start - CONTEXT_LINES), max(0, end - CONTEXT_LINES)
        old, new = old[first : len(old) - last], new[first : len(new) - last]
        # The heuristic for recurring lines bounds the time: without it, 1,900 lines of two kinds
        # took 57 seconds.
        for group in SequenceMatcher(None, old, new).get_grouped_opcodes(CONTEXT_LINES):
            yield f"@@ line {first + group[0][1] + 1} @@"
            for kind, old_start, old_end, new_start, new_end in group:
                if kind == "equal":
                    yield from (f" {line}" for line in old[old_start:old_end])
                else:
                    yield from (f"-{line}" for line in old[old_start:old_end])
                    yield from (f"+{line}" for line in new[new_start:new_end])


def written_file(workspace: Workspace, path: str, content: str) -> FileChange:
    """Return what writing `content` to `path` would change. Nothing is written or made.

    Raise ToolError for a path that leads outside the workspace, to a protected place or to something that is
    not a regular file.
    """
    try:
        real = Path(os.path.realpath(workspace.root / os.path.expanduser(path)))
    except ValueError:
        raise ToolError("the path holds characters that no file name can") from None
    if not real.is_relative_to(workspace.root):
        raise ToolError(f"{path} is outside the workspace")
    workspace.check_writable(real)
    try:
        mode = os.lstat(real).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return FileChange(real, content, None)
    except OSError as error:
        raise ToolError(f"cannot use {path}: {(error.strerror or str(error)).lower()}") from None
    if not stat.S_ISREG(mode):
        kind = "a folder, not a file" if stat.S_ISDIR(mode) else "not a regular file"
        raise ToolError(f"{path or '.'} is {kind}")
    with workspace.open(path) as file:
        status = os.fstat(file.fileno())
        data = file.read(MAX_READ + 1)
    text = None
    if len(data) <= MAX_READ and not is_binary(data):
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = None
    return FileChange(real, content, Replaced(status.st_size, status.st_mtime_ns, text, status.st_nlink))


def _lines(text: str) -> list[str]:
    """Return the lines of a text; a carriage return stays part of its line."""
    return text.removesuffix("\n").split("\n") if text else []


def _common(old: list[str], new: list[str]) -> int:
    """Return the number of equal lines at the beginning of both."""
    for number, (one, other) in enumerate(zip(old, new, strict=False)):
        if one != other:
            return number
    return min(len(old), len(new))
