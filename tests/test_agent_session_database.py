"""The file of the sessions: migration, damage, a full disk, its owner, processes that are killed or many."""

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
from stored_sessions import answer, questions, said

from agent.errors import InputError
from agent.events import Finished
from agent.paths import sessions_path
from agent.sessions import SessionsError, SessionStore, SessionWriter
from agent.sessions.schema import MIGRATIONS


@pytest.fixture
def store(umi_home: Path) -> Iterator[SessionStore]:
    with SessionStore.open() as opened:
        yield opened


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
