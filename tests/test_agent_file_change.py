"""What a call would change in a file: the diff, the lines that are lost, and the real path."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from agent.errors import ToolError
from agent.tools import Workspace
from agent.tools.lib.file_change import FileChange, Replaced, written_file


def applied(old: list[str], diff: list[str]) -> list[str]:
    """The lines that a diff makes of `old`."""
    made: list[str] = []
    position = 0
    for line in diff:
        if line.startswith("@@"):
            start = int(line.split()[2]) - 1
            made += old[position:start]
            position = start
        elif line.startswith("+"):
            made.append(line[1:])
        else:
            assert old[position] == line[1:]
            position += 1
            made += [line[1:]] if line.startswith(" ") else []
    return made + old[position:]


@pytest.mark.parametrize("limit", [1_000_000, 0])
def test_a_diff_leads_from_the_old_text_to_the_new_one(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr("agent.tools.lib.file_change.MAX_COMPARED", limit)
    randomness = random.Random(7)
    for _ in range(200):
        old = [randomness.choice("abc") for _ in range(randomness.randrange(12))]
        new = [randomness.choice("abcd") for _ in range(randomness.randrange(12))]
        text = "".join(f"{line}\n" for line in new)
        change = FileChange(Path("/x"), text, Replaced(0, 0, "".join(f"{line}\n" for line in old)))
        assert applied(old, list(change.diff())) == new
        assert change.lines_lost == sum(max(0, old.count(line) - new.count(line)) for line in set(old))


def test_what_a_write_would_change_is_told_without_writing(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    (tmp_path / "binary").write_bytes(b"\0\1\2")
    (tmp_path / "latin").write_bytes(b"\xe9")
    (tmp_path / "out").symlink_to("/etc")
    assert written_file(workspace, "new/file.txt", "x") == FileChange(
        tmp_path.resolve() / "new/file.txt", "x", None
    )
    for name in ("binary", "latin"):
        change = written_file(workspace, name, "x")
        assert change.replaced is not None
        assert (change.replaced.text, list(change.diff()), change.lines_lost) == (None, [], 0)
    for path in ("out/passwd", "/etc/passwd", "../x", "a\0b", "."):
        with pytest.raises(ToolError):
            written_file(workspace, path, "x")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "umi-home") == [
        "binary",
        "latin",
        "out",
    ]
