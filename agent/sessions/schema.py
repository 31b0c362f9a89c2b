"""The schema of the database of sessions, and its migrations, one script a version.

The version is the database's `user_version`. The search indexes are external-content FTS5 tables: they read
their texts from the view `passage` and from the titles, and triggers keep them in step.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from agent.errors import InputError

_FIRST = """
CREATE TABLE preamble (
    id INTEGER PRIMARY KEY,
    content TEXT NOT NULL UNIQUE
);
CREATE TABLE session (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    workspace TEXT NOT NULL,
    models TEXT NOT NULL,
    created TEXT NOT NULL,
    updated TEXT NOT NULL,
    removed TEXT,
    head INTEGER
);
CREATE INDEX session_by_time ON session (updated);
CREATE TABLE exchange (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
    parent INTEGER,
    preamble INTEGER NOT NULL REFERENCES preamble,
    question TEXT NOT NULL,
    untrusted INTEGER NOT NULL,
    started TEXT NOT NULL,
    reason TEXT,
    process TEXT NOT NULL
);
CREATE INDEX exchange_of_session ON exchange (session);
CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    exchange INTEGER NOT NULL REFERENCES exchange ON DELETE CASCADE,
    kind TEXT NOT NULL,
    content TEXT NOT NULL
);
CREATE INDEX event_of_exchange ON event (exchange, id);

CREATE VIRTUAL TABLE title_search USING fts5 (
    title, content = 'session', content_rowid = 'number', tokenize = 'unicode61', prefix = '1 2 3'
);
CREATE TRIGGER title_added AFTER INSERT ON session BEGIN
    INSERT INTO title_search (rowid, title) VALUES (new.number, new.title);
END;
CREATE TRIGGER title_changed AFTER UPDATE OF title ON session BEGIN
    INSERT INTO title_search (title_search, rowid, title) VALUES ('delete', old.number, old.title);
    INSERT INTO title_search (rowid, title) VALUES (new.number, new.title);
END;
CREATE TRIGGER title_removed AFTER DELETE ON session BEGIN
    INSERT INTO title_search (title_search, rowid, title) VALUES ('delete', old.number, old.title);
END;

CREATE VIEW passage (id, text) AS SELECT exchange.id, exchange.question || coalesce((
    SELECT group_concat(line, '') FROM (
        SELECT char(10) || coalesce(
            json_extract(event.content, '$.content'), json_extract(event.content, '$.answer'), ''
        ) AS line
        FROM event WHERE event.exchange = exchange.id AND event.kind IN ('observation', 'finished')
        ORDER BY event.id
    )
), '') FROM exchange;
CREATE VIRTUAL TABLE search USING fts5 (
    text, content = 'passage', content_rowid = 'id', tokenize = 'unicode61', prefix = '1 2 3'
);
CREATE TRIGGER exchange_added AFTER INSERT ON exchange BEGIN
    INSERT INTO search (rowid, text) SELECT id, text FROM passage WHERE id = new.id;
END;
CREATE TRIGGER exchange_removed BEFORE DELETE ON exchange BEGIN
    INSERT INTO search (search, rowid, text) SELECT 'delete', id, text FROM passage WHERE id = old.id;
END;
CREATE TRIGGER event_comes BEFORE INSERT ON event WHEN new.kind IN ('observation', 'finished') BEGIN
    INSERT INTO search (search, rowid, text) SELECT 'delete', id, text FROM passage WHERE id = new.exchange;
END;
CREATE TRIGGER event_added AFTER INSERT ON event WHEN new.kind IN ('observation', 'finished') BEGIN
    INSERT INTO search (rowid, text) SELECT id, text FROM passage WHERE id = new.exchange;
END;
"""

_MARKS = """
ALTER TABLE exchange ADD COLUMN mark TEXT;
ALTER TABLE exchange ADD COLUMN correction TEXT NOT NULL DEFAULT '';
DROP VIEW passage;
CREATE VIEW passage (id, text) AS SELECT exchange.id, exchange.question || coalesce((
    SELECT group_concat(line, '') FROM (
        SELECT char(10) || coalesce(
            json_extract(event.content, '$.content'), json_extract(event.content, '$.answer'), ''
        ) AS line
        FROM event WHERE event.exchange = exchange.id AND event.kind IN ('observation', 'finished')
        ORDER BY event.id
    )
), '') || iif(exchange.correction = '', '', char(10) || exchange.correction) FROM exchange;
CREATE TRIGGER correction_comes BEFORE UPDATE OF correction ON exchange BEGIN
    INSERT INTO search (search, rowid, text) SELECT 'delete', id, text FROM passage WHERE id = old.id;
END;
CREATE TRIGGER correction_changed AFTER UPDATE OF correction ON exchange BEGIN
    INSERT INTO search (rowid, text) SELECT id, text FROM passage WHERE id = new.id;
END;
"""

MIGRATIONS: tuple[str, ...] = (_FIRST, _MARKS)
"""Script number n makes version n + 1 of the schema out of version n."""


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the database to the newest version, all scripts in one transaction.

    Raise InputError for a version that this umi does not know; the database is then unchanged.
    """
    if _version(connection, path) == len(MIGRATIONS):
        return
    # Another process may migrate at this moment: the version counts once the lock is held.
    connection.execute("BEGIN IMMEDIATE")
    try:
        for script in MIGRATIONS[_version(connection, path) :]:
            for statement in _statements(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection, path: Path) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if not 0 <= version <= len(MIGRATIONS):
        raise InputError(
            f"{path} has version {version} and this umi knows versions up to {len(MIGRATIONS)}",
            "update umi; the file was left as it is",
        )
    return version


def _statements(script: str) -> list[str]:
    """Return the statements of a script: `executescript` would commit what is open."""
    statements, rest = [], ""
    for part in script.split(";"):
        rest += part + ";"
        if sqlite3.complete_statement(rest):
            statements.append(rest)
            rest = ""
    return [statement for statement in statements if statement.strip("; \n")]
