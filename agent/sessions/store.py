"""The store of sessions: every conversation of every workspace, in one database in the user's data folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Self, TypeVar

from agent.errors import InputError
from agent.events import AnswerDelta, Event, event_from_json
from agent.llama.prompt_cache import PromptCache
from agent.paths import sessions_path
from agent.sessions.database import Database, damaged
from agent.sessions.processes import ProcessLock, is_running
from agent.sessions.records import Exchange, Mark, Record, Session, State, title_of
from agent.sessions.search import Hit, search
from agent.transcript import Transcript
from agent.transcript.validation import InvalidFieldsError, validate

_T = TypeVar("_T")

KEPT_DAYS = 30
"""Days for which a removed session can be taken back."""
_COLUMNS = """id, title, workspace, models, created, updated,
    (SELECT count(*) FROM exchange WHERE exchange.session = number)"""


class SessionStore:
    """The sessions of this user. Several threads and several processes may use it at once.

    Every method raises SessionsError where the database cannot be read or written, and InputError where no
    session has an id that begins as given, or several have.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._processes = database.path.with_name(f"{database.path.name}-processes")
        self._lock: ProcessLock | None = None

    @classmethod
    def open(cls, path: Path | None = None) -> Self:
        """Open the database at `path` (default: the user's), made where there is none, else migrated.

        Raise SessionsError where it cannot be opened or is damaged, InputError where it is of a newer umi.
        """
        return cls(Database(path or sessions_path()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database. May be called twice."""
        self.database.close()
        if self._lock:
            self._lock.close()
            self._lock = None

    def process(self) -> str:
        """Return the token by which others see that this process runs."""
        if self._lock is None:
            try:
                self._lock = ProcessLock(self._processes)
            except OSError:  # the question then shows as interrupted until it is answered
                return ""
        return self._lock.token

    def list(self, limit: int = -1, *, removed: bool = False) -> list[Session]:
        """Return the sessions, newest first, `limit` at most where it is given; or those removed."""
        condition = "removed IS NOT NULL" if removed else "removed IS NULL"
        order = "removed" if removed else "updated"
        rows = self.database.read(
            f"SELECT {_COLUMNS} FROM session WHERE {condition} ORDER BY {order} DESC, number DESC LIMIT ?",
            limit,
        )
        return [Session(*row) for row in rows]

    def last(self, workspace: Path) -> Session | None:
        """Return the most recently used session of `workspace`, a path without symbolic links."""
        rows = self.database.read(
            f"SELECT {_COLUMNS} FROM session WHERE removed IS NULL AND workspace = ?"
            " ORDER BY updated DESC, number DESC LIMIT 1",
            workspace_text(workspace),
        )
        return Session(*rows[0]) if rows else None

    def find(self, prefix: str) -> Session:
        """Return the one session whose id begins with `prefix`."""
        return self._find(prefix, removed=False)

    def _find(self, prefix: str, *, removed: bool) -> Session:
        see = "see them with: umi sessions list"
        if not prefix or not prefix.isalnum():
            raise InputError(f"{prefix!r} is not an id of a session", see)
        condition = "removed IS NOT NULL" if removed else "removed IS NULL"
        rows = self.database.read(
            f"SELECT {_COLUMNS} FROM session WHERE {condition} AND id GLOB ? ORDER BY number LIMIT 3",
            f"{prefix.lower()}*",
        )
        if not rows:
            what = "removed session" if removed else "session"
            raise InputError(f"there is no {what} {prefix}", see)
        if len(rows) > 1:
            raise InputError(f"several sessions begin with {prefix}", "give more of the id")
        return Session(*rows[0])

    def read(self, session: str) -> Record:
        """Return a session with all its exchanges."""
        with self.database.snapshot():
            found = self.find(session)
            ((number, head),) = self.database.read("SELECT number, head FROM session WHERE id = ?", found.id)
            events: dict[int, list[Event]] = {}
            for exchange, kind, content in self.database.read(
                "SELECT event.exchange, event.kind, event.content FROM event JOIN exchange"
                " ON exchange.id = event.exchange WHERE exchange.session = ? ORDER BY event.id",
                number,
            ):
                _append(events.setdefault(exchange, []), self._parsed(_event, kind, content))
            rows = self.database.read(
                "SELECT exchange.id, parent, content, question, untrusted, started, reason, process, mark,"
                " correction FROM exchange JOIN preamble ON preamble.id = exchange.preamble"
                " WHERE session = ? ORDER BY exchange.id",
                number,
            )
        exchanges = [
            Exchange(
                id=row[0],
                parent=row[1],
                transcript=self._parsed(_preamble, row[2]),
                question=row[3],
                untrusted=bool(row[4]),
                started=row[5],
                state=self._state(row[6], row[7]),
                events=tuple(events.get(row[0], ())),
                mark=row[8],
                correction=row[9],
            )
            for row in rows
        ]
        return Record(found, tuple(exchanges), head)

    def _parsed(self, parse: Callable[..., _T], *values: str) -> _T:
        try:
            return parse(*values)
        except (InvalidFieldsError, ValueError, TypeError, KeyError):
            raise damaged(self.database.path, "it holds what no umi writes") from None

    def _state(self, reason: State | None, process: str) -> State:
        if reason:
            return reason
        return "running" if process and is_running(self._processes, process) else "interrupted"

    def search(self, text: str, limit: int = 50) -> list[Hit]:
        """Return the sessions in which all words of `text` occur in a title or an exchange, newest first."""
        hits: list[Hit] = []
        for number, exchange, snippet in search(self.database, text, limit):
            rows = self.database.read(f"SELECT {_COLUMNS} FROM session WHERE number = ?", number)
            hits += [Hit(Session(*row), exchange, snippet) for row in rows]
        return sorted(hits, key=lambda hit: hit.session.updated, reverse=True)

    def rename(self, session: str, title: str) -> Session:
        """Give a session another title. Raise InputError for an empty one."""
        if not (title := title_of(title)):
            raise InputError("the title is empty", "give some words")
        return self._change(self.find(session), "UPDATE session SET title = ? WHERE id = ?", title)

    def remove(self, session: str) -> Session:
        """Hide a session, which can be taken back for `KEPT_DAYS`; purge those removed before that."""
        self.purge(KEPT_DAYS)
        return self._change(self.find(session), "UPDATE session SET removed = ? WHERE id = ?", now())

    def undo_remove(self, session: str | None = None) -> Session:
        """Take back the removal of a session, by default of the one removed last."""
        if session is None:
            removed = self.list(1, removed=True)
            if not removed:
                raise InputError("no session was removed", "see those there are with: umi sessions list")
            found = removed[0]
        else:
            found = self._find(session, removed=True)
        return self._change(found, "UPDATE session SET removed = ? WHERE id = ?", None)

    def purge(self, days: int = 0) -> int:
        """Delete for good what was removed at least `days` ago; return the number of sessions."""
        until = now(-timedelta(days=days))
        with self.database.transaction() as cursor:
            numbers = cursor.execute("SELECT number FROM session WHERE removed <= ?", (until,)).fetchall()
            for row in numbers:
                cursor.execute("DELETE FROM exchange WHERE session = ?", row)
                cursor.execute("DELETE FROM session WHERE number = ?", row)
            cursor.execute("DELETE FROM preamble WHERE id NOT IN (SELECT preamble FROM exchange)")
        if numbers:
            self.database.compact()
            PromptCache().clear()  # what models computed of a conversation tells what was said
        return len(numbers)

    def mark(self, exchange: int, mark: Mark | None, correction: str = "") -> None:
        """Mark an answer as good, wrong or corrected by `correction`, or take its mark away.

        Raise InputError where the exchange has no answer, and where the correction is missing.
        """
        if (mark == "corrected") != bool(correction.strip()):
            raise InputError("a corrected answer needs the text that corrects it", "give that text")
        with self.database.transaction() as cursor:
            changed = cursor.execute(
                "UPDATE exchange SET mark = ?, correction = ?"
                " WHERE id = ? AND reason IN ('answered', 'gave_up', 'failed')",
                (mark, storable(correction.strip()), exchange),
            ).rowcount
        if not changed:
            raise InputError("that question has no answer to mark", "ask it again")

    def _change(self, session: Session, sql: str, value: object) -> Session:
        with self.database.transaction() as cursor:
            cursor.execute(sql, (storable(value) if isinstance(value, str) else value, session.id))
        return Session(*self.database.read(f"SELECT {_COLUMNS} FROM session WHERE id = ?", session.id)[0])


def now(shift: timedelta = timedelta()) -> str:
    """Return the current time in UTC plus `shift`, in ISO 8601; such texts sort by time."""
    return (datetime.now(UTC) + shift).isoformat(timespec="microseconds")


def storable(text: str) -> str:
    """Return `text` with lone surrogates, which UTF-8 cannot encode, replaced by `?`."""
    return text.encode("utf-8", "replace").decode("utf-8")


def workspace_text(path: Path) -> str:
    """Return a path as text; bytes of it that are not UTF-8 are replaced."""
    return os.fsencode(path).decode("utf-8", "replace")


def _append(events: list[Event], event: Event) -> None:
    """Append an event; a piece of an answer joins the one before it."""
    if events and isinstance(event, AnswerDelta) and isinstance(last := events[-1], AnswerDelta):
        events[-1] = AnswerDelta(last.text + event.text)
    else:
        events.append(event)


def _event(kind: str, content: str) -> Event:
    """Return an event from its row. Raise ValueError, TypeError or KeyError for what is none."""
    return event_from_json({"event": kind, **json.loads(content)})


@lru_cache(maxsize=64)
def _preamble(content: str) -> Transcript:
    return validate(Transcript, {"turns": [], **json.loads(content)})
