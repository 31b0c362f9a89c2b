"""Full-text search over titles, questions, results of tools and answers.

Matches are taken newest first and not ranked: a search ends with the matches that are shown, where a ranking
would have to read every match of a common word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.sessions.database import Database
from agent.sessions.records import Session

SNIPPET_WORDS = 16
"""Words of the text around a match."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Hit:
    """A session that was found: `exchange` is None where the title matches; `snippet` is text around it."""

    session: Session
    exchange: int | None
    snippet: str


def match_expression(text: str) -> str:
    """Return the FTS5 expression for all words of `text`, each the beginning of a word; empty for none."""
    return " ".join(f'"{word}"*' for word in _WORD.findall(text.replace("\0", " ")))


def search(database: Database, text: str, limit: int) -> list[tuple[int, int | None, str]]:
    """Return a session's number, an exchange and a snippet for each session found, titles first."""
    words = match_expression(text)
    if not words or limit < 1:
        return []
    found: dict[int, tuple[int | None, str]] = {
        number: (None, title)
        for number, title in database.read(
            "SELECT number, session.title FROM title_search JOIN session ON number = title_search.rowid"
            " WHERE title_search MATCH ? AND removed IS NULL ORDER BY title_search.rowid DESC LIMIT ?",
            words,
            limit,
        )
    }
    exchanges: dict[int, int] = {}
    for exchange, number in database.stream(
        "SELECT exchange.id, session FROM search JOIN exchange ON exchange.id = search.rowid"
        " JOIN session ON session.number = exchange.session"
        " WHERE search MATCH ? AND removed IS NULL ORDER BY search.rowid DESC",
        words,
    ):
        if len(found) + len(exchanges) >= limit:
            break
        if number not in found:
            exchanges.setdefault(number, exchange)
    for number, exchange in exchanges.items():
        found[number] = (exchange, _snippet(database, words, exchange))
    return [(number, *found[number]) for number in sorted(found, reverse=True)]


def _snippet(database: Database, words: str, exchange: int) -> str:
    rows = database.read(
        "SELECT snippet(search, 0, '', '', '…', ?) FROM search WHERE search MATCH ? AND rowid = ?",
        SNIPPET_WORDS,
        words,
        exchange,
    )
    return " ".join(rows[0][0].split()) if rows else ""
