"""Sessions: every conversation on disk as it happens, searched, branched, marked and exported."""

from agent.sessions.database import SessionsError
from agent.sessions.records import CONCLUDED, Exchange, Mark, Record, Session, title_of, turns_of
from agent.sessions.search import Hit
from agent.sessions.store import SessionStore
from agent.sessions.writer import SessionWriter

__all__ = [
    "CONCLUDED",
    "Exchange",
    "Hit",
    "Mark",
    "Record",
    "Session",
    "SessionStore",
    "SessionWriter",
    "SessionsError",
    "title_of",
    "turns_of",
]
