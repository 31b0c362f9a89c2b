"""The question of `umi ask` about a call: what it shows, what allows it, and what never does."""

from __future__ import annotations

import json
import os
import pty
import stat
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from approval_turns import audited
from attacks.typed_text import Terminal, attack_terminal
from fakes import call, plan, scripted

import tui.cli.ask
from agent.consent.policy import Policy
from agent.paths import audit_path
from agent.transcript import Call
from tui.cli.main import main
from tui.cli.terminal import terminal_approval
from tui.text import visible

WRITING = [
    plan("I will use read_file for it.", "caller"),
    call("write_file", path="plan.txt", content="buy milk\n"),
    plan("", "summarizer"),
    "All right.",
]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Run `umi ask` with a person who types, NUMBER for the number drawn; returns the code and stderr."""

    def run(script: Sequence[str], typed: str, *argv: str, **options: object) -> tuple[int, str]:
        opened = scripted(script, tmp_path, **options)  # pyright: ignore[reportArgumentType]
        monkeypatch.setattr(tui.cli.ask, "open_agent", lambda options: opened)
        monkeypatch.setattr(terminal_approval.secrets, "randbelow", lambda limit: 382)
        monkeypatch.setattr(sys, "stdin", Terminal(typed.replace("NUMBER", "482")))
        err = Terminal()
        monkeypatch.setattr(sys, "stderr", err)
        monkeypatch.setenv("TERM", "dumb")
        return main(["ask", "write a plan", *argv]), err.getvalue()

    return run


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("NUMBER\n", True),
        ("481\nNUMBER\n", True),
        ("1\n2\n3\nNUMBER\n", False),
        ("y\n", False),
        ("yes\n", False),
        ("NUMBERx\n", False),
        ("\n", False),
        ("", False),
    ],
)
def test_only_the_number_of_the_question_allows_a_write(
    ask, tmp_path: Path, typed: str, written: bool
) -> None:
    code, err = ask(WRITING, typed)
    assert (tmp_path / "workspace" / "plan.txt").exists() is written
    assert code == (0 if written else 5)
    assert "type 482 to allow it" in err
    assert [line["decision"] for line in audited()] == ["allow" if written else "deny"]


def test_what_is_typed_instead_is_the_reason_that_the_planner_reads(ask) -> None:
    _, err = ask(WRITING, "call it todo.txt\n")
    assert "! the user refused this call: call it todo.txt" in err
    assert audited()[0]["reason"] == "call it todo.txt"


def test_the_question_shows_the_real_path_the_loss_the_diff_and_the_reason(ask, tmp_path: Path) -> None:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "real.txt").write_text("one\ntwo\nbuy milk\n")
    (folder / "plan.txt").symlink_to("real.txt")
    _, err = ask(WRITING, "\n")
    assert f"file: {folder / 'real.txt'}" in err
    assert "replaces a file of 3 lines; 2 lines of it are lost" in err
    assert "-one\n" in err
    assert "because: I will use read_file for it." in err
    assert "the reason names read_file, but the call is write_file" in err


def test_long_content_is_counted_cut_and_shown_whole_by_the_pager(
    ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = "".join(f"line {n}\u200b\n" for n in range(100))
    script = [plan("", "caller"), call("write_file", path="a", content=content), plan("", "summarizer"), "x"]
    paged: list[str] = []
    monkeypatch.setattr("pydoc.pager", paged.append)
    _, err = ask(script, "v\n\n")
    assert "content (100 lines, 890 characters)" in err
    assert "80 more lines, v shows them" in err
    assert "line 19\\u200b\n" in err
    assert "line 99" not in err
    assert "line 99\\u200b\n" in paged[0]


def test_an_argument_is_changed_and_asked_about_again(ask, tmp_path: Path) -> None:
    record = tmp_path / "rows.jsonl"
    code, err = ask(WRITING, "e path=../x\ne path=todo.txt\nNUMBER\n", "--record", str(record))
    assert code == 0
    assert "that does not work: ../x is outside the workspace" in err
    assert f"file: {tmp_path / 'workspace' / 'todo.txt'}" in err
    assert (tmp_path / "workspace" / "todo.txt").read_text() == "buy milk\n"
    assert not (tmp_path / "workspace" / "plan.txt").exists()
    (line,) = audited()
    assert line["arguments"] == {"path": "todo.txt", "content": "buy milk\n"}
    assert line["asked"] == {"path": "plan.txt", "content": "buy milk\n"}
    assert "todo.txt" in record.read_text()
    assert "plan.txt" not in record.read_text()


def test_an_argument_is_changed_in_the_editor(ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf "and bread\\n" >> "$1"\n')
    editor.chmod(0o755)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(editor))
    assert ask(WRITING, "e content\nNUMBER\n")[0] == 0
    assert (tmp_path / "workspace" / "plan.txt").read_text() == "buy milk\nand bread\n"


def test_a_tool_may_be_allowed_in_this_folder_from_now_on(ask, tmp_path: Path) -> None:
    assert ask(WRITING, "NUMBER here\n")[0] == 0
    code, err = ask(WRITING, "")
    assert code == 0
    assert "type 482" not in err
    assert [line.get("by", line["kind"]) for line in audited()] == [
        "rule",
        "the user, for this tool in this folder",
        "the rule: write_file in this folder",
    ]
    assert Policy(tmp_path / "workspace").revoke("write_file") == 1
    assert ask(WRITING, "")[0] == 5


def test_read_only_refuses_even_with_yes(ask, tmp_path: Path, umi_home: Path) -> None:
    umi_home.mkdir()
    rules = {"folders": {str(tmp_path / "workspace"): {"mode": "read-only"}}}
    (umi_home / "permissions.json").write_text(json.dumps(rules))
    code, err = ask(WRITING, "", "--yes")
    assert code == 5
    assert "read-only mode" in err
    assert not (tmp_path / "workspace" / "plan.txt").exists()
    assert audited()[0]["by"] == "the mode read-only"


def doubtful(_transcript: object, made: Call, _margin: float) -> str:
    return f"Did you mean {made.name} {made.arguments['expression']}?"


SUM = [plan("", "caller"), call("calculate", expression="12+30"), plan("", "summarizer"), "It is 42."]


@pytest.mark.parametrize(
    ("typed", "code", "result"),
    [("NUMBER\n", 0, "= 42"), ("e expression=12+31\nNUMBER\n", 0, "= 43"), ("no\n", 5, "! the user refused")],
)
def test_a_doubt_is_asked_about(ask, typed: str, code: int, result: str) -> None:
    done, err = ask(SUM, typed, check=doubtful)
    assert done == code
    assert "Did you mean calculate 12+30?" in err
    assert result in err


@pytest.mark.parametrize("value", ["[" * 3000, "NaN", "1e999", '"\\ud800"', "{"])
def test_an_argument_that_is_no_json_is_told_and_asked_about_again(ask, value: str) -> None:
    script = [plan("", "caller"), call("add_days", date="today", days=3), plan("", "summarizer"), "Then."]
    code, err = ask(script, f"e days={value}\nNUMBER\n", check=lambda *_: "is it?")
    assert code == 0
    assert "that does not work" in err
    assert err.count("Did you mean") == 2


def test_one_question_shows_the_doubt_and_asks_the_permission(ask, tmp_path: Path) -> None:
    code, err = ask(WRITING, "NUMBER\n", check=lambda transcript, made, margin: "nobody asked to write")
    assert code == 0
    assert err.count("Did you mean this? write_file may write") == err.count(" to allow it") == 1
    assert "in doubt: nobody asked to write" in err
    assert (tmp_path / "workspace" / "plan.txt").exists()


@pytest.mark.parametrize("options", [[], ["--yes"]])
def test_a_doubt_without_a_person_ends_unsure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    opened = scripted(SUM, tmp_path, check=doubtful)
    monkeypatch.setattr(tui.cli.ask, "open_agent", lambda options: opened)
    assert main(["ask", "what is 12 and 30?", *options]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("umi: not done: Did you mean calculate 12+30?")
    assert err.endswith(
        "; give the question as an argument in a terminal (and text with --file) to be asked\n"
    )
    assert '{"name":"calculate","arguments":{"expression":"12+30"}}' in err


def test_a_thousand_random_texts_never_allow(tmp_path: Path) -> None:
    result = attack_terminal(tmp_path, 1000)
    assert result.count == 1000
    assert result.holds, result.wrong


def test_what_was_typed_ahead_in_a_terminal_is_discarded(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.setattr(terminal_approval, "_QUIET_S", 0.02)
    with os.fdopen(theirs, "r") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        os.write(ours, b"y\n482\nyes and half a li")
        time.sleep(0.05)
        terminal_approval.discard_typed_ahead()
        os.write(ours, b"typed after\n")
        assert stdin.readline() == "typed after\n"
    os.close(ours)


def test_the_audit_log_is_readable_by_its_owner_alone(ask) -> None:
    ask(WRITING, "\n")
    assert stat.S_IMODE(audit_path().stat().st_mode) == 0o600


def test_rules_are_listed_and_taken_back_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Policy(tmp_path).remember_tool("write_file")
    assert main(["tools", "allowed"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}  starts in mode ask  allow write_file\n"
    revoke = ["tools", "revoke", "write_file", "--workspace", str(tmp_path)]
    assert main(revoke) == 0
    assert Policy(tmp_path).allowed() == ((), ())
    assert main(revoke) == 2
    assert "no rule allows" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, öäü, 日本語, é, 🙂\n", "plain text, öäü, 日本語, é, 🙂\n"),
        ("a\tb", "a   b"),
        ("a\rb\r\n", "a\\rb\\r\n"),
        ("a\u200bb\u2060c\ufeffd", "a\\u200bb\\u2060c\\ufeffd"),
        ("a\u202eb\u2066c\u061cd", "a\\u202eb\\u2066c\\u061cd"),
        ("a\u00a0b\u2003c\u3000d", "a\\xa0b\\u2003c\\u3000d"),
        ("a\U000e0041b\ufe0fc", "a\\U000e0041b\\ufe0fc"),
        ("a\u3164b\u2800c\u115fd", "a\\u3164b\\u2800c\\u115fd"),
        ("a\x1b[2J\x07\x00\x85\u2028", "a\\x1b[2J\\x07\\x00\\x85\\u2028"),
        ("a\ud800", "a\\ud800"),
    ],
)
def test_what_cannot_be_seen_is_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown
