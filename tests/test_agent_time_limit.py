"""Limits of tools: time, a cancel, what is read and shown; and that what they say of it is true."""

from __future__ import annotations

import fcntl
import os
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.errors import ToolError
from agent.tools import ToolContext, Workspace, builtin_tools, tool
from agent.tools.builtin.search_text import MAX_MATCHES
from agent.tools.lib import time_limit, workspace
from agent.tools.lib.time_limit import check_time, run_limited
from agent.tools.toolbox import Toolbox
from agent.tools.undo.store import UndoStore
from agent.transcript import Call

SEARCH = "agent.tools.builtin.search_text"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    root.mkdir()
    for number in range(5):
        (root / f"{number}.txt").write_text("a needle\n")
    (root / "folder").mkdir()
    return root


@pytest.fixture
def context(root: Path, tmp_path: Path) -> ToolContext:
    return ToolContext(Workspace(root), tmp_path / "notes.jsonl")


@pytest.fixture
def toolbox(context: ToolContext) -> Toolbox:
    return Toolbox(builtin_tools(), context)


def ask(toolbox: Toolbox, name: str, /, **arguments: Any) -> str:
    return toolbox.run(Call(name, arguments))


def test_a_tool_that_looks_at_the_time_is_stopped(context: ToolContext) -> None:
    @tool(may="read", time_limit_s=0.01)
    def endless() -> str:
        """Never end."""
        while True:
            check_time()

    with pytest.raises(ToolError, match=r"longer than 0.01 seconds$"):
        Toolbox([endless], context).run(Call("endless", {}))


def test_a_tool_that_hangs_is_left_alone_and_writes_nothing_later(
    context: ToolContext, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_limit, "GRACE_S", 0.0)
    go_on, ended = threading.Event(), threading.Event()

    @tool(may="write", time_limit_s=0.01)
    def slow(context: ToolContext) -> str:
        """Write late."""
        try:
            go_on.wait()
            return context.workspace.write_text("late.txt", "x")
        finally:
            ended.set()

    with pytest.raises(ToolError, match="did not stop"):
        Toolbox([slow], context).run(Call("slow", {}))
    go_on.set()
    ended.wait()
    assert not (root / "late.txt").exists()
    assert sorted(os.listdir(root)) == [*(f"{n}.txt" for n in range(5)), "folder"]


def test_what_a_tool_raises_and_returns_passes_through(context: ToolContext) -> None:
    @tool(may="read")
    def fail(how: str) -> str:
        """Fail."""
        raise {"tool": ToolError, "bug": ZeroDivisionError}[how](how)

    toolbox = Toolbox([fail], context)
    with pytest.raises(ToolError, match="tool"):
        toolbox.run(Call("fail", {"how": "tool"}))
    with pytest.raises(ZeroDivisionError):
        toolbox.run(Call("fail", {"how": "bug"}))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("list_files", {}),
        ("find_files", {"name": "txt"}),
        ("search_text", {"query": "needle"}),
        ("read_file", {"path": "0.txt"}),
        ("file_info", {"path": "0.txt"}),
        ("file_info", {"path": "."}),
        ("write_file", {"path": "new.txt", "content": "x"}),
        ("add_note", {"text": "more"}),
        ("search_notes", {}),
        ("calculate", {"expression": "1 + 1"}),
    ],
)
def test_a_cancel_is_seen_inside_each_tool(
    toolbox: Toolbox, root: Path, name: str, arguments: dict[str, Any]
) -> None:
    ask(toolbox, "add_note", text="one")
    before = sorted(os.listdir(root))
    with pytest.raises(ToolError, match="the call was cancelled"):
        toolbox.run(Call(name, arguments), lambda: True)
    assert sorted(os.listdir(root)) == before
    assert ask(toolbox, "search_notes") == "1: one"


def test_tools_that_run_out_of_time_tell_what_they_did_not_do(context: ToolContext) -> None:
    tools = {made.name: made for made in builtin_tools()}

    def late(name: str, /, **arguments: Any) -> str:
        return run_limited(lambda: tools[name].run(context, arguments), -1, lambda: False)

    assert late("search_text", query="needle") == (
        "no file that was searched contains 'needle'\n… (stopped after 0 files; the others were not searched)"
    )
    assert late("find_files", name="txt") == (
        "no file name that was looked at contains 'txt'\n… (stopped after 0 files; there are more)"
    )
    assert late("list_files") == "… (stopped after 0 names; there are more)"
    assert "more than 0 entries" in late("file_info", path=".")
    with pytest.raises(ToolError, match="longer than"):
        late("file_info", path="0.txt")


def test_a_search_that_stops_says_after_how_many_files(
    toolbox: Toolbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{SEARCH}.MAX_CHARACTERS", 20)
    assert ask(toolbox, "search_text", query="needle").split("\n") == [
        "0.txt:1: a needle",
        "1.txt:1: a needle",
        "2.txt:1: a needle",
        "… (stopped after 3 of 5 files; the others were not searched)",
    ]
    assert ask(toolbox, "search_text", query="zebra").startswith("no file that was searched contains 'zebra'")


def test_binary_files_count_as_read_and_only_their_beginning_is(
    toolbox: Toolbox, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(100):
        with (root / "folder" / f"{number:03}.bin").open("wb") as file:
            file.truncate(1 << 40)
    assert "needle" in ask(toolbox, "search_text", query="needle")
    monkeypatch.setattr(f"{SEARCH}.MAX_CHARACTERS", 10 * workspace.BINARY_HEAD)
    stopped = re.search(r"stopped after (\d+) of 105 files", ask(toolbox, "search_text", query="needle"))
    assert stopped
    assert 5 < int(stopped[1]) <= 16


def test_what_a_search_leaves_out_is_counted(
    toolbox: Toolbox, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / ".env").write_text("needle")
    (root / "picture.png").write_bytes(b"\0needle")
    monkeypatch.setattr(workspace, "MAX_READ", 16)
    (root / "long.txt").write_text("a line\n" * 10)
    output = ask(toolbox, "search_text", query="needle")
    assert output.count("needle") == 5
    assert output.endswith(
        "\n… (only the beginning of long.txt was searched; 1 protected file was not searched)"
    )
    (root / "long too.txt").write_text("a line\n" * 10)
    (root / ".npmrc").write_text("x")
    remark = ask(toolbox, "search_text", query="needle").rpartition("\n")[2]
    assert (
        remark == "… (only the beginnings of 2 long files were searched; 2 protected files were not searched)"
    )


def test_a_search_with_very_many_matches_says_so(toolbox: Toolbox, root: Path) -> None:
    (root / "0.txt").write_text("needle\n" * 5000)
    output = ask(toolbox, "search_text", query="needle")
    assert f"of {MAX_MATCHES} lines left out" in output
    assert "stopped after 1 of 5 files" in output
    assert "only the first 1000 lines found are counted" in output


def test_counts_of_very_many_files_are_true(toolbox: Toolbox, root: Path) -> None:
    for number in range(20_500):
        os.mknod(root / "folder" / f"{number:05}")
    assert ask(toolbox, "file_info", path="folder").startswith("folder: folder with 20500 entries, ")
    for output in (ask(toolbox, "list_files", path="folder"), ask(toolbox, "find_files", name="0")):
        assert "stopped" not in output
        shown = [line for line in output.split("\n") if not line.startswith("…")]
        (left_out, count) = re.findall(r"\((\d+) of (\d+) lines left out\)", output)[0]
        assert int(left_out) + len(shown) == int(count)
    assert "of 20500 lines" in ask(toolbox, "list_files", path="folder")
    lines = ask(toolbox, "list_files", path="folder").split("\n")
    assert (lines[0], lines[-1]) == ("00000", "20499")


def test_a_long_result_of_a_tool_that_does_not_page_is_paged(context: ToolContext) -> None:
    @tool(may="read")
    def repeat(text: str, times: int) -> str:
        """Repeat it; fail with what begins with an exclamation mark."""
        if text.startswith("!"):
            raise ValueError(text * times)
        return text * times

    toolbox = Toolbox([repeat], context)
    assert toolbox.run(Call("repeat", {"text": "x\n", "times": 99})) == "x\n" * 99
    for text in ("x\n", "a much longer line\n"):
        lines = toolbox.run(Call("repeat", {"text": text, "times": 2000})).split("\n")
        assert len(lines) < 110
        assert any(re.fullmatch(r"… \(\d+ of 2001 lines left out\)", line) for line in lines)
    wide = toolbox.run(Call("repeat", {"text": "x", "times": 100_000}))
    assert len(wide) < 4200
    assert "of 100000 characters left out" in wide
    with pytest.raises(ToolError, match=r"of 100000 characters left out") as caught:
        toolbox.run(Call("repeat", {"text": "!", "times": 100_000}))
    assert len(str(caught.value)) < 4200


@pytest.mark.parametrize("kept", ["notes", "undo"])
def test_a_store_that_another_program_locked_is_waited_for_in_time(
    root: Path, tmp_path: Path, kept: str
) -> None:
    """The tool ends when its time is up, and does nothing when the lock is free again."""
    context = ToolContext(Workspace(root, undo=UndoStore(tmp_path / "undo")), tmp_path / "notes.jsonl")
    toolbox = Toolbox((replace(made, time_limit_s=0.05) for made in builtin_tools()), context)
    (tmp_path / "undo").mkdir()
    locked = {"notes": context.notes, "undo": tmp_path / "undo" / ".lock"}[kept]
    made = {
        "notes": Call("add_note", {"text": "x"}),
        "undo": Call("write_file", {"path": "new/x.txt", "content": "x"}),
    }[kept]
    with locked.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ToolError, match="longer than"):
            toolbox.run(made)
    assert not (root / "new").exists()
    assert not locked.read_bytes()
