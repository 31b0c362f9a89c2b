"""`umi ask --continue` and `--session`: what is kept of a question, and how the next one goes on from it."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

import pytest
from fakes import calculation, plan, scripted

import tui.cli.ask
from agent.engine import ScriptedEngine
from agent.sessions import SessionStore
from agent.transcript import SummarizerTurn, UserTurn
from agent.transcript.rows import read_rows
from tui.cli.main import main

CHAT = [plan("No tool is needed.", "summarizer"), "You are welcome."]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Run `umi ask` on a script, in a folder; returns the exit code and the engine that was used."""

    def run(script: Sequence[str], *argv: str, folder: str = "one") -> tuple[int, ScriptedEngine]:
        (tmp_path / folder).mkdir(exist_ok=True)
        opened = scripted(script, tmp_path / folder)
        monkeypatch.setattr(tui.cli.ask, "open_agent", lambda options: opened)
        engine = opened.agent.engine
        assert isinstance(engine, ScriptedEngine)
        return main(["ask", *argv]), engine

    return run


def users(engine: ScriptedEngine) -> list[str]:
    """What the person had said when the last text was generated."""
    return [turn.content for turn in engine.seen[-1][1].turns if isinstance(turn, UserTurn)]


def test_the_next_question_sees_the_turns_before_it(ask, tmp_path: Path) -> None:
    assert ask(calculation("It is 42."), "what is 17.5% of 240?")[0] == 0
    code, engine = ask(CHAT, "--continue", "thanks")
    assert code == 0
    assert users(engine) == ["what is 17.5% of 240?", "thanks"]
    assert SummarizerTurn("It is 42.") in engine.seen[0][1].turns
    _, engine = ask(CHAT, "--continue", "bye")
    assert users(engine) == ["what is 17.5% of 240?", "thanks", "bye"]


def test_what_models_read_is_kept_where_a_session_goes_on(ask) -> None:
    _, engine = ask(CHAT, "hello")
    assert engine.saved == [], "most are never gone on with"
    _, engine = ask(CHAT, "--continue", "thanks")
    assert [len(each.turns) for each in engine.saved] == [6]
    _, engine = ask(CHAT, "--continue", "--no-save", "bye")
    assert engine.saved == []


def test_without_it_a_question_begins_anew(ask) -> None:
    ask(CHAT, "hello")
    assert users(ask(CHAT, "hi")[1]) == ["hi"]
    assert users(ask(CHAT, "--continue", "again")[1]) == ["hi", "again"]


def test_each_workspace_has_its_own(ask) -> None:
    ask(CHAT, "hello", folder="one")
    ask(CHAT, "moin", folder="two")
    assert users(ask(CHAT, "--continue", "and?", folder="one")[1]) == ["hello", "and?"]


def test_nothing_to_go_on_from_is_one_line(ask, capsys: pytest.CaptureFixture[str]) -> None:
    code, engine = ask(CHAT, "--continue", "and now?")
    assert code == 2
    assert not engine.seen
    err = capsys.readouterr().err
    assert "nothing was asked in" in err
    assert "ask without --continue" in err


def test_a_turn_that_failed_leaves_the_last_conversation(ask) -> None:
    ask(CHAT, "hello")
    assert ask(["no ending"], "--continue", "what?")[0] == 1
    assert users(ask(CHAT, "--continue", "so")[1]) == ["hello", "so"]


def test_a_turn_given_up_is_kept(ask) -> None:
    assert ask([plan("No tool does that.", "give up")], "book a flight")[0] == 3
    assert users(ask(CHAT, "--continue", "pity")[1]) == ["book a flight", "pity"]


def test_only_its_owner_can_read_it(ask, umi_home: Path) -> None:
    ask(CHAT, "my secret")
    assert stat.S_IMODE((umi_home / "sessions.db").stat().st_mode) == 0o600
    assert stat.S_IMODE(umi_home.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", [b"[]", b"\xff" * 5000])
def test_a_damaged_database_is_named_and_left(
    ask, umi_home: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    umi_home.mkdir()
    (umi_home / "sessions.db").write_bytes(content)
    code, engine = ask(CHAT, "--continue", "and?")
    assert code == 1
    assert not engine.seen
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert f"{umi_home / 'sessions.db'} is damaged" in err
    assert "move it away" in err
    assert ask(CHAT, "hello")[0] == 0  # without --continue the answer comes all the same
    out, err = capsys.readouterr()
    assert out == "You are welcome.\n"
    assert "this question is not saved" in err
    assert (umi_home / "sessions.db").read_bytes() == content


def test_an_answer_is_printed_even_if_it_cannot_be_kept(
    ask, umi_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (umi_home / "sessions.db").mkdir(parents=True)
    assert ask(CHAT, "hello")[0] == 0
    out, err = capsys.readouterr()
    assert out == "You are welcome.\n"
    assert "this question is not saved" in err


def test_a_session_is_named_by_the_beginning_of_its_id(ask, capsys: pytest.CaptureFixture[str]) -> None:
    ask(CHAT, "hello", folder="one")
    ask(CHAT, "moin", folder="two")
    with SessionStore.open() as store:
        first = store.list()[-1]
    code, engine = ask(CHAT, "--session", first.id[:8], "and?", folder="two")
    assert code == 0
    assert users(engine) == ["hello", "and?"]
    capsys.readouterr()
    code, engine = ask(CHAT, "--session", "ffff", "and?")
    assert code == 2
    assert not engine.seen
    assert "there is no session ffff" in capsys.readouterr().err
    assert ask(CHAT, "--session", first.id, "--continue", "and?")[0] == 2


def test_nothing_is_left_without_saving(ask, umi_home: Path) -> None:
    ask(CHAT, "--no-save", "hello")
    assert not (umi_home / "sessions.db").exists()
    ask(CHAT, "hi")
    assert users(ask(CHAT, "--continue", "--no-save", "again")[1]) == ["hi", "again"]
    assert users(ask(CHAT, "--continue", "bye")[1]) == ["hi", "bye"]


def test_a_recorded_row_holds_the_turns_before(ask, tmp_path: Path) -> None:
    record = tmp_path / "rows.jsonl"
    ask(CHAT, "hello")
    ask(calculation(), "--continue", "--record", str(record), "17.5% of 240")
    (row,) = read_rows(record)
    assert [turn.content for turn in row.transcript.turns if isinstance(turn, UserTurn)] == [
        "hello",
        "17.5% of 240",
    ]
