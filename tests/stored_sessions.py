"""Sessions in the store, without models: questions that were answered at once."""

from __future__ import annotations

from pathlib import Path

from agent.events import Finished, Thought
from agent.loop import Conversation
from agent.sessions import SessionStore, SessionWriter
from agent.transcript import Transcript


def new(store: SessionStore, folder: str = "/work") -> SessionWriter:
    """Return the writer of a new session."""
    return SessionWriter.begin(store, Path(folder), "umi-mini")


def said(store: SessionStore, *questions: str) -> SessionWriter:
    """A session in which these questions were answered with themselves in capitals."""
    writer = new(store)
    for question in questions:
        answer(writer, question)
    return writer


def answer(writer: SessionWriter, question: str, text: str | None = None) -> None:
    """Write a question and its answer, by default the question in capitals."""
    writer.question(question, Conversation(Transcript()))
    writer.event(Thought(1, "I know.", "summarizer"))
    writer.event(Finished("answered", text or question.upper()))


def questions(writer: SessionWriter) -> list[str]:
    """Return the questions of the branch that is shown."""
    return [exchange.question for exchange in writer.record().branch]
