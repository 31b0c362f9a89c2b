"""Files without end, in size, in growth or by kind: each tool ends, with counts that are true."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from agent.errors import ToolError
from agent.tools import ToolContext, Workspace, builtin_tools
from agent.tools.builtin import file_info
from agent.tools.lib.confinement.protected import Protection
from agent.tools.toolbox import Toolbox
from agent.tools.undo import store
from agent.tools.undo.store import UndoStore
from agent.transcript import Call

TERABYTE = 1 << 40
LINE = b"hello x\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    root.mkdir()
    return root


@pytest.fixture
def toolbox(root: Path, tmp_path: Path) -> Toolbox:
    workspace = Workspace(root, undo=UndoStore(tmp_path / "undo"))
    return Toolbox(builtin_tools(), ToolContext(workspace, tmp_path / "notes.jsonl"))


def said(toolbox: Toolbox, tool: str, /, **arguments: object) -> str:
    """What a tool returns, or its error."""
    try:
        return toolbox.run(Call(tool, arguments))
    except ToolError as error:
        return f"error: {error}"


def sparse(path: Path, size: int, head: bytes = LINE * 2000) -> None:
    """Make a file of `size` bytes that takes room for its beginning alone."""
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)


def test_sparse_files_of_any_size_and_number(root: Path, toolbox: Toolbox) -> None:
    try:
        sparse(root / "huge.txt", TERABYTE)
        for number in range(1000):
            sparse(root / f"{number:03}.txt", 1 << 30, b"")
    except OSError:
        pytest.skip("this file system has no sparse files of a terabyte")
    assert said(toolbox, "read_file", path="huge.txt").endswith("… (the file is longer than can be read)")
    assert said(toolbox, "read_file", path="000.txt") == "error: 000.txt is a binary file, not text"
    assert said(toolbox, "file_info", path="huge.txt").startswith(f"huge.txt: {TERABYTE} bytes, changed")
    assert said(toolbox, "file_info", path=".").startswith(".: folder with 1001 entries")
    everywhere = said(toolbox, "search_text", query="hello")
    assert everywhere.endswith("lines found are counted; only the beginning of huge.txt was searched)")
    assert said(toolbox, "search_text", query="goodbye").startswith("no file contains 'goodbye'")
    assert said(toolbox, "find_files", name="hug") == "huge.txt"
    refused = said(toolbox, "write_file", path="huge.txt", content="x")
    assert (
        refused
        == f"error: huge.txt has {TERABYTE} bytes, more than undo can keep; move it away to write a new one"
    )
    assert (root / "huge.txt").stat().st_size == TERABYTE


@pytest.mark.parametrize("name", ["pipe", "zero", "environ", "loop"])
def test_what_is_no_file_is_neither_read_nor_written(root: Path, toolbox: Toolbox, name: str) -> None:
    os.mkfifo(root / "pipe")
    (root / "zero").symlink_to("/dev/zero")
    (root / "environ").symlink_to("/proc/self/environ")
    (root / "loop").symlink_to("loop")
    for tool, more in (("read_file", {}), ("search_text", {"query": "x"}), ("write_file", {"content": "x"})):
        assert said(toolbox, tool, path=name, **more).startswith("error: "), tool
    assert said(toolbox, "search_text", query="x") == "no file contains 'x'"
    assert said(toolbox, "find_files", name=name) == f"no file name contains '{name}'"


def test_of_a_file_that_grows_the_lines_are_those_of_the_size(
    root: Path, toolbox: Toolbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = root / "log.txt"
    path.write_bytes(LINE * 200_000)

    def grow() -> None:
        with path.open("ab") as file:
            file.write(LINE * 200_000)

    monkeypatch.setattr(file_info, "check_time", grow)
    assert said(toolbox, "file_info", path="log.txt").startswith("log.txt: 1600000 bytes, 200000 lines,")


def test_a_file_that_grows_while_it_is_kept_is_not_written(
    root: Path, toolbox: Toolbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = root / "log.txt"
    path.write_bytes(LINE)

    def grow() -> None:
        with path.open("ab") as file:
            file.write(LINE * 1000)

    monkeypatch.setattr(store, "MAX_BYTES", 100_000)
    monkeypatch.setattr(store, "check_time", grow)
    refused = said(toolbox, "write_file", path="log.txt", content="x")
    assert refused.startswith("error: log.txt is left as it is: ")
    assert refused.endswith("it grows while it is read")
    assert path.read_bytes().startswith(LINE)
    assert not [file for file in (tmp_path / "undo").iterdir() if file.name != ".lock"]


def test_a_line_that_begins_like_a_key_without_end_takes_little_memory(root: Path) -> None:
    protection, data = Protection(root), b"-----BEGIN " + b"A " * (1 << 20)
    tracemalloc.start()
    try:
        protection.check_content("a.txt", data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    with pytest.raises(ToolError, match="it holds a private key"):
        protection.check_content("a.txt", b"-----BEGIN RSA ENCRYPTED PRIVATE KEY-----")
