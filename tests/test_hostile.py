"""The attacks of `make hostile`, in short: they find nothing, but what a missing guard lets pass."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import hostile
import hostile_requests
import pytest
from attacks import (
    injections,
    kills,
    obedient,
    paths,
    races,
    sandboxed_code,
    served_requests,
    tool_servers,
)
from attacks.result import Result

from agent.consent.gate import Gate
from agent.consent.request import Request
from agent.mcp import results
from agent.prompting import Tokenize, segments
from agent.tools.lib.confinement import resolution
from agent.tools.lib.confinement.protected import Protection
from agent.tools.sandbox import report
from agent.tools.sandbox.report import confinement_problem
from agent.tools.sandbox.view import View
from agent.transcript import Call, Role, Transcript
from serve.app import Server
from serve.connections import TimelyProtocol


def test_no_attack_succeeds_and_the_last_line_has_all_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert hostile.main(["--scale", "0.01"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert len(lines) == len(hostile.ATTACKS) + 1
    assert lines[0].startswith("100 hostile paths, ")
    last = lines[-1].partition("; must be 0: ")
    assert last[0].count(",") == len(hostile.ATTACKS) - 1
    assert "0 escapes" in last[2]
    assert "0 unapproved effects" in last[2]


def test_an_effect_that_nobody_approved_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def anything(self: Gate, request: Request) -> Call:
        return request.call

    monkeypatch.setattr(Gate, "_permitted", anything)
    result = injections.attack(tmp_path, 10)
    assert result.wrong["unapproved effects"]


def test_a_markup_that_is_read_as_such_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obedient, "prompt_ids", prompt_with_special_tokens_on)
    result = injections.attack(tmp_path, 6)
    assert result.wrong["turns opened by text"]


def prompt_with_special_tokens_on(transcript: Transcript, role: Role, tokenize: Tokenize) -> list[int]:
    return [i for piece in segments(transcript) for i in tokenize(piece.content, True)]


def test_a_protected_file_that_is_written_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Protection, "check_write", lambda self, path: None)
    assert paths.attack(tmp_path, 60).wrong["protected files written"]


def test_a_link_that_is_followed_in_a_race_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolution, "FOLDER_FLAGS", resolution.FOLDER_FLAGS & ~os.O_NOFOLLOW)
    monkeypatch.setattr(races, "CALLS", (("write_file", {"path": "docs/a.txt", "content": "x"}),))
    monkeypatch.setattr(races, "SWAPS", (("docs", "../outside"),))
    assert races.attack(tmp_path, 30).wrong["escapes"]


def test_control_characters_of_a_tool_server_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umi_home: Path
) -> None:
    umi_home.mkdir(exist_ok=True)
    monkeypatch.setattr(results, "strip_control", str)
    monkeypatch.setattr(tool_servers, "RESULTS", {"escapes": tool_servers.RESULTS["escape sequences"]})
    assert tool_servers.attack(tmp_path, 1).wrong["control characters"]


@pytest.mark.skipif(confinement_problem() != "", reason="code cannot be confined here")
def test_a_secret_that_confined_code_reads_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "view_of", lambda workspace: View(workspace.root))
    monkeypatch.setattr(sandboxed_code, "hostile_path", lambda random, root: ".env")
    assert sandboxed_code.attack(tmp_path, 1).wrong["secrets read"]


def test_a_page_that_is_answered_and_a_client_that_is_waited_for_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Server, "_check_access", lambda self, request: None)
    monkeypatch.setattr(TimelyProtocol, "_wait", lambda self: None)
    monkeypatch.setattr(served_requests, "ANSWER_S", 2)
    page, idle = hostile_requests.REFUSED["another origin"], hostile_requests.SLOW["half a head"]
    monkeypatch.setattr(served_requests, "REFUSED", {"a page": page})
    monkeypatch.setattr(served_requests, "HARMLESS", {})
    monkeypatch.setattr(served_requests, "SLOW", {"half a head": idle})
    result = served_requests.attack(tmp_path, 13)
    assert result.wrong["wrong answers"]
    assert result.wrong["connections left"] == ["slow: half a head"]


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize(
    ("lost", "kind"),
    [
        ("work/a.txt", "files torn or lost"),
        ("home/undo/00000001", "old contents lost"),
        ("home/audit.jsonl", "audit entries lost"),
        ("home/notes.jsonl", "notes lost"),
    ],
)
def test_what_a_kill_would_lose_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str, kind: str, cut: bool
) -> None:
    monkeypatch.setenv("UMI_HOME", str(tmp_path / "home"))
    root = tmp_path / "work"
    root.mkdir()
    steps = [kills.Step("write", "a.txt", 1), kills.Step("note", number=2), kills.Step("write", "a.txt", 3)]
    for step in steps:
        kills.do(root, step)
    told = [told for step in steps for told in (step, replace(step, done=True))]
    path = tmp_path / lost
    if cut:
        path.write_bytes(path.read_bytes()[:-10])
    else:
        path.unlink()
    result = Result("kills")
    kills.check(root, told, result)
    assert result.wrong[kind]
