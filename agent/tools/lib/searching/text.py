"""Search for words in the text of the workspace's files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.errors import ProtectedPathError, ToolError
from agent.tools.lib.output import pluralize, safe_name
from agent.tools.lib.time_limit import CallEndedError, is_time_up
from agent.tools.lib.workspace import BINARY_HEAD, BinaryFileError, Workspace

MAX_MATCHES = 1000
"""Maximum number of matching lines, far more than fit an observation."""
MAX_WIDTH = 200
"""Maximum number of characters shown of a line."""


@dataclass
class TextSearch:
    """What a search for a lower-case text found, and what it did not look at; it reads `most` characters."""

    wanted: str
    most: int
    found: list[str] = field(default_factory=list)
    read: int = 0
    begun: list[str] = field(default_factory=list)
    protected: int = 0
    unreadable: int = 0

    def is_over(self) -> bool:
        return len(self.found) >= MAX_MATCHES or self.read >= self.most or is_time_up()

    def add_all(self, workspace: Workspace, files: Sequence[str]) -> int:
        """Search the files in order, as many as the limits allow; return how many."""
        searched = 0
        while searched < len(files) and not self.is_over():
            if not self._add_or_pass_over(workspace, files[searched]):
                break
            searched += 1
        return searched

    def add(self, workspace: Workspace, path: str, name: str) -> None:
        """Search the file at `path`, which is shown as `name`. Of a long one, only the beginning is read."""
        text, complete = workspace.read_text(path)
        self.read += len(text)
        if not complete:
            self.begun.append(safe_name(name))
        self.found += _matching_lines(name, text, self.wanted)

    def _add_or_pass_over(self, workspace: Workspace, file: str) -> bool:
        """Search a file, or count it if it cannot be read; return False where the time is up before that."""
        try:
            self.add(workspace, file, file)
        except CallEndedError:
            return not is_time_up()
        except ToolError as error:
            self.read += BINARY_HEAD
            self.protected += isinstance(error, ProtectedPathError)
            self.unreadable += not isinstance(error, ProtectedPathError | BinaryFileError)
        return True

    def remarks(self) -> list[str]:
        """Return what was not searched of the files that were looked at."""
        remarks = []
        if len(self.begun) == 1:
            remarks.append(f"only the beginning of {self.begun[0]} was searched")
        elif self.begun:
            remarks.append(f"only the beginnings of {len(self.begun)} long files were searched")
        for count, kind in ((self.protected, "protected"), (self.unreadable, "unreadable")):
            if count:
                were = "was" if count == 1 else "were"
                remarks.append(f"{pluralize(count, f'{kind} file')} {were} not searched")
        return remarks


def _matching_lines(file: str, text: str, wanted: str) -> list[str]:
    """Return `FILE:NUMBER: LINE` for the lines of `text` that contain `wanted`, at most `MAX_MATCHES` + 1."""
    if wanted not in text.lower():
        return []
    name = safe_name(file)
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        at = line.lower().find(wanted)
        if at >= 0:
            found.append(f"{name}:{number}: {_excerpt(line, at)}")
            if len(found) > MAX_MATCHES:
                break
    return found


def _excerpt(line: str, at: int) -> str:
    """Return at most `MAX_WIDTH` characters of `line`, including position `at`."""
    if len(line.strip()) <= MAX_WIDTH:
        return line.strip()
    start = max(0, at - MAX_WIDTH // 3)
    piece = line[start : start + MAX_WIDTH].strip()
    return ("…" if start else "") + piece + ("…" if start + MAX_WIDTH < len(line) else "")
