"""`umi tools servers`, `approve`, `new` and `list`: what they print, and that nothing is approved unasked."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_agent_tool_servers import entry, write_list

from agent.mcp.connection import close_all
from agent.mcp.servers import user_servers
from agent.paths import audit_path, tools_folder
from agent.tool_sources import available_tools
from tui.cli import tool_servers
from tui.cli.main import main


@pytest.fixture(autouse=True)
def stopped() -> Iterator[None]:
    """Servers do not outlive a test."""
    yield
    close_all()


def type_answers(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    """Be a person at a terminal who types these lines; the number of each question is 142."""
    lines = iter(answers)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(tool_servers, "discard_typed_ahead", lambda: None)
    monkeypatch.setattr("secrets.randbelow", lambda _: 42)
    monkeypatch.setattr("builtins.input", lambda: next(lines))


def test_a_server_of_the_own_list_is_approved_and_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_list({"files": entry()})
    assert main(["tools", "approve", "files", "--workspace", str(tmp_path)]) == 2
    assert "nobody is there to be asked" in capsys.readouterr().err
    assert not [tool for tool in available_tools().tools if "__" in tool.name]
    assert main(["tools", "approve", "files", "--yes", "--workspace", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "new: echo\n  Say a text again.\n  text: " in shown
    assert shown.endswith("10 tools of files can be offered; each call asks first\n")
    assert '"approval"' in audit_path().read_text()
    assert main(["tools", "approve", "files", "--workspace", str(tmp_path)]) == 0
    assert "10 tools, all as they were approved" in capsys.readouterr().out
    assert main(["tools", "list"]) == 0
    assert "files__echo       execute  Say a text again." in capsys.readouterr().out
    assert main(["tools", "show", "files__echo"]) == 0
    assert "from: the server files" in capsys.readouterr().out
    assert main(["tools", "servers", "--workspace", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("files: 10 tools approved: ")
    assert main(["tools", "approve", "fils", "--workspace", str(tmp_path)]) == 2
    assert "did you mean files?" in capsys.readouterr().err


def test_a_server_of_the_workspace_is_taken_by_a_person_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started = tmp_path / "started"
    write_list({"theirs": {"command": "touch", "args": [str(started)]}}, tmp_path / ".mcp.json")
    approve = ["tools", "approve", "theirs", "--workspace", str(tmp_path)]
    assert main([*approve, "--yes"]) == 2
    type_answers(monkeypatch, "y", "yes", "142")
    assert main(approve) == 3
    assert main(approve) == 3
    assert not user_servers().servers
    assert not started.exists()
    assert f"runs  touch {started}" in capsys.readouterr().out
    assert main(approve) == 2
    assert started.exists()
    assert [server.name for server in user_servers().servers] == ["theirs"]


def test_without_the_sdk_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_list({"files": entry()})
    monkeypatch.setattr("agent.mcp.server_tools.find_spec", lambda name: None)
    line = "tool servers need the package mcp, which is not installed; pip install 'umi-agent[mcp]'\n"
    assert main(["tools", "list"]) == 0
    assert capsys.readouterr().err == f"umi: {line}"
    assert main(["tools", "approve", "files", "--workspace", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"umi: {line}"
    assert main(["mcp", "--workspace", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"umi: {line}"


def test_a_new_tool_is_listed_and_a_broken_one_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tools", "new", "count_words"]) == 0
    files = [tools_folder() / name for name in ("count_words.py", "test_count_words.py")]
    assert capsys.readouterr().out == "".join(f"{path}\n" for path in files)
    (tools_folder() / "broken.py").write_text("x = y\n")
    assert main(["tools", "list"]) == 0
    printed = capsys.readouterr()
    assert "count_words    read     Count the words or the letters of a text." in printed.out
    assert printed.err == (
        f"umi: {tools_folder() / 'broken.py'} was skipped: line 1: NameError: name 'y' is not defined\n"
    )
    assert main(["tools", "new", "count_words"]) == 2
    assert main(["tools", "new", "add up"]) == 2
