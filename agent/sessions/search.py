"""Full-text search over titles, questions, results of tools and answers.

Matches are taken newest first and not ranked: a search ends with the matches that are shown, where a ranking
would have to read every match of a common word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.sessions.database import Database
from agent.sessions.records import Session

SNIPPET_BEFORE, SNIPPET_AFTER = 40, 120
"""Characters of the text before a match and from its beginning on."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Hit:
    """A session that was found: `exchange` is None where the title matches; `snippet` is text around it."""

    session: Session
    exchange: int | None
    snippet: str


def match_expression(words: list[str]) -> str:
    """Return the FTS5 expression for texts in which each of `words` begins a word."""
    return " ".join(f'"{word}"*' for word in words)


def search(database: Database, text: str, limit: int) -> list[tuple[int, int | None, str]]:
    """Return a number, an exchange and a snippet for each session found, `limit` at most."""
    words = _WORD.findall(text)
    if not words or limit < 1:
        return []
    expression = match_expression(words)
    found: dict[int, tuple[int | None, str]] = {
        number: (None, title)
        for number, title in database.read(
            "SELECT number, session.title FROM title_search JOIN session ON number = title_search.rowid"
            " WHERE title_search MATCH ? AND removed IS NULL ORDER BY title_search.rowid DESC LIMIT ?",
            expression,
            limit,
        )
    }
    exchanges: dict[int, int] = {}
    for exchange, number in database.stream(
        "SELECT exchange.id, session FROM search JOIN exchange ON exchange.id = search.rowid"
        " JOIN session ON session.number = exchange.session"
        " WHERE search MATCH ? AND removed IS NULL ORDER BY search.rowid DESC",
        expression,
    ):
        if len(found) + len(exchanges) >= limit:
            break
        if number not in found:
            exchanges.setdefault(number, exchange)
    for number, exchange in exchanges.items():
        found[number] = (exchange, _snippet(database, words, exchange))
    return [(number, exchange, snippet) for number, (exchange, snippet) in found.items()]


def _snippet(database: Database, words: list[str], exchange: int) -> str:
    """Return text around the first of `words` that is found in an exchange.

    FTS5's own `snippet` evaluates the whole search again for each: 1 to 5 ms where several words are common.
    """
    ((text,),) = database.read("SELECT text FROM passage WHERE id = ?", exchange)
    found = re.search("|".join(rf"\b{re.escape(word)}" for word in words), text, re.IGNORECASE)
    at = found.start() if found else 0
    start = max(0, at - SNIPPET_BEFORE)
    snippet = " ".join(text[start : at + SNIPPET_AFTER].split())
    return ("…" if start else "") + snippet + ("…" if at + SNIPPET_AFTER < len(text) else "")
