"""`umi sessions`: listing, showing, searching, renaming, removing, and exports that training takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import pytest
from fakes import calculation, plan, scripted

import tui.cli.ask
from agent.sessions import SessionStore
from agent.transcript import Row, SummarizerTurn, UserTurn
from agent.transcript.rows import read_rows
from tui.cli.main import main

CHAT = [plan("No tool is needed.", "summarizer"), "You are welcome."]
GIVE_UP = [plan("No tool books flights.", "give up")]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Run `umi ask` on a script; return the id of the session that it made or went on with."""

    def run(script: Sequence[str], *argv: str) -> str:
        opened = scripted(script, tmp_path)
        monkeypatch.setattr(tui.cli.ask, "open_agent", lambda options: opened)
        main(["ask", *argv])
        capsys.readouterr()
        with SessionStore.open() as store:
            return store.list(1)[0].id

    return run


@pytest.fixture
def sessions(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run `umi sessions` and return what it prints."""

    def run(*argv: str, code: int = 0) -> str:
        assert main(["sessions", *argv]) == code
        out, err = capsys.readouterr()
        return err if code else out

    return run


def test_list_show_and_search(ask, sessions) -> None:
    assert json.loads(sessions("list", "--json")) == []
    first = ask(calculation("It is 42."), "what is 17.5% of 240?")
    second = ask(GIVE_UP, "book a\x1b flight")
    ask(CHAT, "--session", first, "thanks")
    listed = json.loads(sessions("list", "--json"))
    assert [(item["id"], item["title"]) for item in listed] == [
        (first, "what is 17.5% of 240?"),
        (second, "book a\x1b flight"),
    ]
    assert datetime.fromisoformat(listed[0]["updated"]) > datetime.fromisoformat(listed[1]["updated"])
    lines = sessions("list").splitlines()
    assert "2 questions" in lines[0]
    assert "1 question " in lines[1]
    assert "\x1b" not in lines[1]
    shown = sessions("show", first[:6])
    for part in ("> what is 17.5% of 240?", "▸ calculate", "    42", "It is 42.", "> thanks", "You are welc"):
        assert part in shown
    assert "(gave up)" in sessions("show", second)
    assert first in sessions("search", "welcome")
    (hit,) = json.loads(sessions("search", "books", "flights", "--json"))
    assert hit["id"] == second
    assert "No tool books flights" in hit["snippet"]
    assert "there is no session ffffffff" in sessions("show", "ffffffff", code=2)
    for nothing in ("", " ", "?!"):
        assert "no word to search for; give words" in sessions("search", nothing, code=2)


def test_rename_remove_and_undo(ask, sessions, umi_home: Path) -> None:
    kept = ask(CHAT, "hello")
    gone = ask(CHAT, "hi")
    assert "A good talk" in sessions("rename", kept, "A", "good", "talk")
    sessions("remove", gone)
    assert [item["id"] for item in json.loads(sessions("list", "--json"))] == [kept]
    assert gone in sessions("list", "--removed")
    assert gone in sessions("undo-remove")
    sessions("remove", gone)
    sessions("purge")
    assert "there is no removed session" in sessions("undo-remove", gone, code=2)
    assert b"hi" not in (umi_home / "sessions.db").read_bytes().replace(b"this", b"")


def rows(file: Path) -> list[Row]:
    """The rows of a file that `umi train data` takes."""
    assert main(["train", "data", "check", str(file)]) == 0
    mixed = file.with_name("mixed.jsonl")
    assert main(["train", "data", "mix", str(file), "--out", str(mixed)]) == 0
    assert len(list(read_rows(mixed))) == len(list(read_rows(file)))
    return list(read_rows(file))


def said(row: Row) -> list[str]:
    return [turn.content for turn in row.transcript.turns if isinstance(turn, UserTurn | SummarizerTurn)]


def test_marked_answers_become_training_rows(ask, sessions, tmp_path: Path) -> None:
    session = ask(calculation("It is 42."), "what is 17.5% of 240?")
    sessions("mark", session, "good")
    ask(CHAT, "--session", session, "who are you?")
    sessions("mark", session, "wrong")
    ask(CHAT, "--session", session, "really?")
    sessions("mark", session, "corrected", "I am umi.")
    ask(CHAT, "--session", session, "thanks")
    unmarked = ask(CHAT, "hello")
    given_up = ask(GIVE_UP, "book a flight")
    sessions("mark", given_up, "corrected", "I can only note it.")
    assert sessions("export", unmarked, "--format", "train", "--marked") == ""
    assert "add --format train" in sessions("export", "--marked", code=2)
    out = tmp_path / "rows.jsonl"
    sessions("export", "--format", "train", "--marked", "--out", str(out))
    first, second = rows(out)
    assert said(first) == ["what is 17.5% of 240?", "It is 42.", "really?", "I am umi."]
    assert said(second) == ["book a flight", "I can only note it."]
    assert first.id.startswith(f"session-{session}-")
    sessions("export", unmarked, "--format", "train", "--out", str(out))
    assert [said(row) for row in rows(out)] == [["hello", "You are welcome."]]


def test_markdown_and_json(ask, sessions, tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir(exist_ok=True)
    (tmp_path / "workspace" / "a.md").write_text("```\ncode\n```\n")
    read = [plan("I read it.", "caller"), '{"name":"read_file","arguments":{"path":"a.md"}}']
    session = ask([*read, plan("", "summarizer"), "It has *code*."], "what is\nin it?")
    sessions("mark", session, "corrected", "It has nothing.")
    text = sessions("export", session)
    assert text.startswith("# what is\n")
    for part in ("## what is\nin it?\n", "- I read it.", "- `read_file {", "````\n", "*marked corrected*"):
        assert part in text
    value = json.loads(sessions("export", session, "--format", "json"))
    (exchange,) = value["exchanges"]
    assert [event["event"] for event in exchange["events"]][:3] == ["thought", "call", "observation"]
    assert (exchange["state"], exchange["correction"]) == ("answered", "It has nothing.")
    assert value["transcript"]["turns"][-1] == {"role": "summarizer", "content": "It has *code*."}
