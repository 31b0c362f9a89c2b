"""The store of sessions: what is written of a turn, branches, search, removal, marks, damaged files."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from attacks import session_kills
from fakes import calculation, plan, scripted

from agent.errors import ContextFullError, InputError
from agent.events import AnswerDelta, Event, Finished, Reading, Thought
from agent.llama.prompt_cache import PromptCache
from agent.loop import Agent, Conversation
from agent.paths import sessions_path
from agent.sessions import Mark, SessionsError, SessionStore, SessionWriter
from agent.sessions.export import export
from agent.sessions.schema import MIGRATIONS
from agent.transcript import PlannerTurn, SummarizerTurn, Transcript, UserTurn

CHAT = [plan("No tool is needed.", "summarizer"), "You are welcome."]


@pytest.fixture
def store(umi_home: Path) -> Iterator[SessionStore]:
    with SessionStore.open() as opened:
        yield opened


def new(store: SessionStore, folder: str = "/work") -> SessionWriter:
    return SessionWriter.begin(store, Path(folder), "umi-mini")


def have(writer: SessionWriter, agent: Agent, question: str) -> list[Event]:
    """Ask in the session of `writer`, as both front ends do; return the events."""
    return list(writer.run(agent, writer.conversation(agent), question))


def said(store: SessionStore, *questions: str) -> SessionWriter:
    """A session in which these questions were answered with themselves in capitals."""
    writer = new(store)
    for question in questions:
        answer(writer, question)
    return writer


def answer(writer: SessionWriter, question: str, text: str | None = None) -> None:
    writer.question(question, Conversation(Transcript()))
    writer.event(Thought(1, "I know.", "summarizer"))
    writer.event(Finished("answered", text or question.upper()))


def questions(writer: SessionWriter) -> list[str]:
    return [exchange.question for exchange in writer.record().branch]


def test_a_turn_is_stored_as_it_was(store: SessionStore, tmp_path: Path) -> None:
    agent = scripted([*calculation("It is 42."), *CHAT], tmp_path).agent
    writer = new(store)
    assert writer.session_id is None
    assert store.list() == []
    events = have(writer, agent, " what is 17.5%\nof 240? ")
    have(writer, agent, "thanks")
    (session,) = store.list()
    assert (session.title, session.workspace, session.models) == ("what is 17.5%", "/work", "umi-mini")
    assert session.exchanges == 2
    assert session.created < session.updated
    first, second = store.read(session.id[:5]).branch
    assert (first.parent, second.parent) == (None, first.id)
    assert [event for event in first.events if not isinstance(event, AnswerDelta)] == [
        event for event in events if not isinstance(event, Reading | AnswerDelta)
    ]
    assert [event for event in first.events if isinstance(event, AnswerDelta)] == [AnswerDelta("It is 42.")]
    assert (first.state, first.answer) == ("answered", "It is 42.")
    # What the models see of a session read again is what they saw of it when it was written.
    again = SessionWriter.resume(store, session.id).conversation(agent).transcript
    assert again.tools == agent.toolbox.specs
    assert again.turns[0] == UserTurn("what is 17.5%\nof 240?")
    assert again.turns[-1] == SummarizerTurn("You are welcome.")
    assert again.turns[:-3] == first.turns


def test_what_nothing_supports_is_kept_with_the_answer(store: SessionStore, tmp_path: Path) -> None:
    writer = new(store)
    have(writer, scripted(calculation("It is 43."), tmp_path).agent, "what is 17.5% of 240?")
    (exchange,) = writer.record().branch
    first, _, result = exchange.unsupported.partition("\n")
    assert (first.partition(": ")[2], result) == ("43 stands nowhere in what was said.", "calculate says: 42")
    exported = export([writer.record()], "md")
    assert export([writer.record()], "train") == ""
    writer.mark(exchange.id, "good")
    assert '"It is 43."' in export([writer.record()], "train")
    assert f"It is 43.\n\n*{first}*\n\n```\n{result}\n```\n" in exported


def test_what_was_not_answered_is_shown_and_not_part_of_the_conversation(store: SessionStore) -> None:
    writer = said(store, "one")
    writer.question("two", Conversation(Transcript()))
    writer.event(AnswerDelta("It "))
    writer.event(AnswerDelta("is"))
    assert [exchange.state for exchange in writer.record().branch] == ["answered", "running"]
    writer.event(Finished("cancelled", ""))
    answer(writer, "three")
    one, two, three = writer.record().branch
    assert (two.state, two.answer, two.turns) == ("cancelled", "It is", ())
    assert [turn.content for turn in (*one.turns, *three.turns) if isinstance(turn, UserTurn)] == [
        "one",
        "three",
    ]


def test_a_failed_turn_without_an_answer_is_left_out(store: SessionStore) -> None:
    writer = new(store)
    writer.question("one", Conversation(Transcript()))
    writer.event(Thought(1, "I call.", "caller"))
    writer.event(Finished("failed", "the call was too long"))
    (one,) = writer.record().branch
    assert (one.answer, one.turns) == ("the call was too long", ())


def test_a_question_that_does_not_fit_has_ended(store: SessionStore, tmp_path: Path) -> None:
    writer = new(store)
    with pytest.raises(ContextFullError):
        have(writer, scripted([], tmp_path, context_length=300).agent, "word " * 300)
    (exchange,) = writer.record().branch
    assert exchange.state == "error"
    assert "the models hold 300" in exchange.answer


def test_a_step_whose_calls_were_not_written_is_left_out(store: SessionStore) -> None:
    writer = new(store)
    writer.question("one", Conversation(Transcript()))
    writer.event(Thought(1, "I call.", "caller"))
    writer.event(Thought(2, "That was too long.", "summarizer"))
    writer.event(Finished("answered", "It did not fit."))
    (one,) = writer.record().branch
    assert one.turns == (
        UserTurn("one"),
        PlannerTurn("That was too long.", "summarizer"),
        SummarizerTurn("It did not fit."),
    )


def test_a_session_removed_while_it_is_open_comes_back_with_its_next_question(store: SessionStore) -> None:
    writer = said(store, "one")
    store.remove(writer.session_id or "")
    assert store.list() == []
    answer(writer, "two")
    assert questions(writer) == ["one", "two"]
    assert store.list()[0].id == writer.session_id


def test_branches(store: SessionStore, tmp_path: Path) -> None:
    writer = said(store, "one", "two", "three")
    _, two, three = writer.record().branch
    writer.fork(two.id)
    assert questions(writer) == ["one"]
    answer(writer, "two, otherwise")
    answer(writer, "four")
    assert questions(SessionWriter.resume(store, writer.session_id or "")) == [
        "one",
        "two, otherwise",
        "four",
    ]
    record = writer.record()
    assert [exchange.question for exchange in record.siblings(two.id)] == ["two", "two, otherwise"]
    ends = [exchange for exchange in record.exchanges if record.leaf(exchange.id) == exchange.id]
    assert [exchange.question for exchange in ends] == ["three", "four"]
    writer.switch(two.id)
    assert questions(writer) == ["one", "two", "three"]
    assert writer.head == three.id
    writer.rewind(two.id)
    agent = scripted([], tmp_path).agent
    assert writer.conversation(agent).transcript.turns[-1] == SummarizerTurn("TWO")
    writer.rewind(None)
    assert questions(writer) == []
    assert writer.conversation(agent).transcript == agent.begin().transcript
    answer(writer, "zero")
    assert [exchange.question for exchange in writer.record().siblings(writer.head or 0)] == ["one", "zero"]


def test_two_writers_of_one_session_do_not_interleave(store: SessionStore) -> None:
    first = said(store, "one")
    with SessionStore.open() as other:
        second = SessionWriter.resume(other, first.session_id or "")
        answer(first, "of the first")
        assert not first.forked
        answer(second, "of the second")
        assert second.forked
        answer(first, "again of the first")
        assert first.forked
        assert questions(first) == ["one", "of the first", "again of the first"]
        assert questions(second) == ["one", "of the second"]


def test_search(store: SessionStore, tmp_path: Path) -> None:
    agent = scripted(calculation("About forty-two, friend."), tmp_path).agent
    have(new(store), agent, "what is 17.5% of 240?")
    said(store, "Über die Brücke", "plant a tree")
    other = said(store, "plant two trees")

    def found(text: str) -> list[str]:
        return [hit.session.title for hit in store.search(text)]

    assert found("friend forty") == ["what is 17.5% of 240?"]
    assert found("42") == ["what is 17.5% of 240?"]  # what the tool said
    assert found("PLAN tre") == ["plant two trees", "Über die Brücke"]  # newest first
    assert found("brück") == ["Über die Brücke"]
    assert found("plant nothing") == []
    assert found('"; DROP TABLE session; -- * ( NEAR') == []
    assert found("") == []
    assert len(store.search("plant", limit=1)) == 1
    (hit,) = store.search("forty")
    assert "About forty-two, friend" in hit.snippet
    store.rename(other.session_id or "", "Gardening\nnotes")
    assert found("garden") == ["Gardening"]
    assert found("two trees") == ["Gardening"]
    store.remove(other.session_id or "")
    assert found("garden") == []


def test_removal_is_taken_back_until_it_is_purged(store: SessionStore) -> None:
    ids = [said(store, name).session_id or "" for name in ("one", "two", "three")]
    store.remove(ids[0])
    store.remove(ids[1])
    assert [session.title for session in store.list()] == ["three"]
    with pytest.raises(InputError, match="there is no session"):
        store.read(ids[0])
    assert store.undo_remove().title == "two"
    assert store.undo_remove(ids[0][:6]).title == "one"
    with pytest.raises(InputError, match="no session was removed"):
        store.undo_remove()
    store.remove(ids[2])
    PromptCache().put("key", b"what models computed of it")
    assert store.purge(1) == 0
    assert PromptCache().get("key")
    assert store.purge() == 1
    assert PromptCache().get("key") is None
    assert [session.title for session in store.list()] == ["two", "one"]
    assert b"three" not in store.database.path.read_bytes()
    for index in ("search", "title_search"):
        store.database.read(f"INSERT INTO {index} ({index}) VALUES ('integrity-check')")


def test_ids(store: SessionStore) -> None:
    first = said(store, "one").session_id or ""
    assert store.find(first[:1].upper()).id == first
    said(store, "two")
    with store.database.transaction() as cursor:
        cursor.execute("UPDATE session SET id = ? || substr(id, 5)", (first[:4],))
    for wrong, message in (
        (first[:4], "several sessions begin with"),
        ("zz", "no session zz"),
        ("*", "not an id"),
    ):
        with pytest.raises(InputError, match=message):
            store.find(wrong)
    with pytest.raises(InputError, match="title is empty"):
        store.rename(first, " \n")


@pytest.mark.parametrize("mark", ["good", "wrong", "corrected", None])
def test_marks(store: SessionStore, mark: Mark | None) -> None:
    writer = said(store, "one")
    correction = "The right one." if mark == "corrected" else ""
    writer.mark(writer.head or 0, mark, correction)
    (exchange,) = writer.record().branch
    assert (exchange.mark, exchange.correction) == (mark, correction)
    with pytest.raises(InputError, match="needs the text"):
        writer.mark(writer.head or 0, mark, "" if mark == "corrected" else "words")
    assert len(store.search("one right")) == (mark == "corrected")
    writer.mark(writer.head or 0, None)
    assert not store.search("right")
    writer.question("two", Conversation(Transcript()))
    with pytest.raises(InputError, match="no answer to mark"):
        writer.mark(writer.head or 0, "good")


def test_an_old_database_is_migrated(umi_home: Path) -> None:
    umi_home.mkdir()
    old = sqlite3.connect(sessions_path())
    old.executescript(MIGRATIONS[0])
    old.executescript("""
        INSERT INTO preamble VALUES (1, '{"tools":[]}');
        INSERT INTO session VALUES
            (1, 'abcdef123456', 'an old one', '/', 'umi-mini', '2026-01-01', '2026-01-02', NULL, 1);
        INSERT INTO exchange VALUES (1, 1, NULL, 1, 'an old question', 0, '2026-01-01', 'answered', '');
        INSERT INTO event VALUES (1, 1, 'thought', '{"step":1,"text":"","next":"summarizer"}');
        INSERT INTO event VALUES (2, 1, 'finished', '{"reason":"answered","answer":"yes","stats":{}}');
        PRAGMA user_version = 1;
    """)
    old.close()
    with SessionStore.open() as store:
        assert [hit.session.title for hit in store.search("question yes")] == ["an old one"]
        store.mark(1, "corrected", "no")
        (exchange,) = store.read("abc").branch
        assert (exchange.answer, exchange.mark, exchange.correction) == ("yes", "corrected", "no")
        assert len(store.search("old yes no")) == 1
        store.database.read("INSERT INTO search (search) VALUES ('integrity-check')")
        assert store.database.read("PRAGMA user_version") == [(len(MIGRATIONS),)]


def test_a_newer_database_is_refused_and_left(umi_home: Path) -> None:
    with SessionStore.open() as store:
        said(store, "one")
        store.database.read(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    before = sessions_path().read_bytes()
    with pytest.raises(InputError, match="update umi; the file was left as it is"):
        SessionStore.open()
    assert sessions_path().read_bytes() == before


def test_what_no_umi_writes_is_damage(store: SessionStore) -> None:
    writer = said(store, "one")
    for content in ("{", "[]", '{"step":1}', '{"ghost":1}'):
        with store.database.transaction() as cursor:
            cursor.execute("UPDATE event SET content = ? WHERE kind = 'thought'", (content,))
        with pytest.raises(SessionsError, match=r"sessions\.db is damaged"):
            writer.record()


def test_a_damaged_page_is_one_line(umi_home: Path) -> None:
    with SessionStore.open() as store:
        said(store, *map(str, range(50)))
    content = bytearray(sessions_path().read_bytes())
    content[4096:] = b"\x55" * (len(content) - 4096)
    sessions_path().write_bytes(content)
    with pytest.raises(SessionsError, match=r"is damaged: .*; move it away"), SessionStore.open() as store:
        store.list()
    assert sessions_path().read_bytes() == content


def test_a_full_disk_warns_once_and_what_fails_is_written_later(store: SessionStore) -> None:
    writer, warnings = said(store, "one"), list[str]()
    writer.warn = warnings.append
    (pages,) = store.database.read("PRAGMA page_count")[0]
    store.database.read(f"PRAGMA max_page_count = {pages}")
    answer(writer, "two", "word " * 20_000)
    answer(writer, "three")
    assert len(warnings) == 1
    assert "database or disk is full; free space" in warnings[0]
    assert "three" not in questions(writer)
    store.database.read("PRAGMA max_page_count = 1000000")
    writer.event(Finished("answered", "four"))
    assert questions(writer) == ["one", "two", "three"]


def test_halves_of_surrogate_pairs_are_replaced(store: SessionStore) -> None:
    writer = said(store, "one \ud800", "two \udfff")
    assert questions(writer) == ["one ?", "two ?"]


def test_only_the_owner_can_read_it(store: SessionStore, umi_home: Path) -> None:
    said(store, "one")
    made = [path for path in umi_home.rglob("*") if path.name.startswith("sessions.db")]
    assert {path.name for path in made} >= {"sessions.db", "sessions.db-wal", "sessions.db-shm"}
    for path in made:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


_KILLED = """
import os, signal, sys
from pathlib import Path
from agent.events import AnswerDelta
from agent.llama.prompt_cache import PromptCache
from agent.loop import Conversation
from agent.sessions import SessionStore, SessionWriter
from agent.transcript import Transcript
writer = SessionWriter.begin(SessionStore.open(), Path("/work"), "umi-mini")
writer.question("one", Conversation(Transcript()))
writer.event(AnswerDelta("It is"))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_turn_is_interrupted(umi_home: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _KILLED], check=False, env={**os.environ})
    assert done.returncode == -signal.SIGKILL
    with SessionStore.open() as store:
        writer = SessionWriter.resume(store, store.list()[0].id)
        (exchange,) = writer.record().branch
        assert (exchange.state, exchange.answer) == ("interrupted", "It is")
        answer(writer, "two")
        assert questions(writer) == ["one", "two"]
        (lock,) = umi_home.glob("sessions.db-processes/*")  # that of the killed process is gone
        assert lock.name == store.process()


def test_kills_lose_no_event(tmp_path: Path) -> None:
    result = session_kills.attack(tmp_path, 3)
    assert result.holds, result
    assert result.count == 3


def test_many_processes_write_at_once(umi_home: Path) -> None:
    program = _KILLED.replace("os.kill(os.getpid(), signal.SIGKILL)", "")
    running = [subprocess.Popen([sys.executable, "-c", program], env={**os.environ}) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    with SessionStore.open() as store:
        assert len(store.list()) == 3
        assert store.database.read("PRAGMA integrity_check") == [("ok",)]
