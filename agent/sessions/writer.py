"""The writing of one session: each question and each event of its turn, as they happen.

An event is committed before `event` returns, in a transaction of its own, so that a kill of the process loses
none. What cannot be written is kept and tried again with the next event, and one line warns.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.events import AnswerDelta, Event, Finished, Reading, event_to_json
from agent.sessions.database import SessionsError
from agent.sessions.records import Mark, Record, title_of
from agent.sessions.store import SessionStore, now, storable, workspace_text
from agent.transcript import Transcript, compact, transcript_to_json

if TYPE_CHECKING:
    from agent.loop import Agent, Conversation


ANSWER_ROW = 1000
"""Length in characters of an answer's row; once it is reached, the next piece begins another row."""


class SessionWriter:
    """A conversation that is written. One thread at a time may call it.

    `head` is the last exchange of the current branch, which the next question follows; `session_id` is None
    until the first question. `warn(line)` is called once where the disk does not take what is written.
    """

    def __init__(
        self, store: SessionStore, workspace: str, models: str, session_id: str | None = None
    ) -> None:
        self.store = store
        self.models = models
        self.workspace = workspace
        self.session_id = session_id
        self.title = ""
        self.head: int | None = None
        self.forked = False
        """Whether the last question began a branch, since another process had gone on with the session."""
        self.warn: Callable[[str], object] = lambda line: None
        self._warned = False
        self._pending: list[Callable[[], None]] = []
        self._exchange: int | None = None
        self._answer: tuple[int, str] | None = None
        """The row of the answer that is being written, and its text so far."""
        if session_id is not None:
            record = store.read(session_id)
            self.title, self.head = record.session.title, record.head

    @classmethod
    def begin(cls, store: SessionStore, workspace: Path, models: str) -> SessionWriter:
        """Return a writer of a new session, which is made with its first question."""
        return cls(store, workspace_text(workspace), models)

    @classmethod
    def resume(cls, store: SessionStore, session: str, models: str = "") -> SessionWriter:
        """Return a writer that goes on from the end of a session's current branch.

        Raise InputError for an id, or a beginning of one, that is not one session's.
        """
        found = store.find(session)
        return cls(store, found.workspace, models or found.models, found.id)

    def run(self, agent: Agent, conversation: Conversation, text: str, **options: Any) -> Iterator[Event]:
        """Yield the events of `agent.run(conversation, text, **options)`, each once it is written.

        An exception of it is written as the end of the turn.
        """
        self.question(text, conversation)
        try:
            for event in agent.run(conversation, text, **options):
                if isinstance(event, Finished) and agent.selection:
                    self._do(partial(self._set_preamble, _preamble(conversation.transcript)))
                self.event(event)
                yield event
        except Exception as error:
            self.event(Finished("error", str(error)))
            raise

    def question(self, text: str, conversation: Conversation) -> None:
        """Write a question that is about to be asked in `conversation`, as the one after `head`.

        Where another process has gone on with the session meanwhile, the question begins a branch.
        """
        preamble, untrusted = _preamble(conversation.transcript), conversation.untrusted
        text, started = storable(text.strip()), now()
        self._do(lambda: self._add_exchange(text, untrusted, preamble, started))

    def event(self, event: Event) -> None:
        """Write an event of the question's turn. How far a prompt is read is not part of a conversation."""
        match event:
            case Reading():
                return
            case AnswerDelta(text):
                self._do(lambda: self._add_answer(text))
            case _:
                self._do(lambda: self._add_event(event))
        if isinstance(event, Finished) and not self._pending:
            self._do(self.store.database.flush)

    def fork(self, exchange: int) -> None:
        """Let the next question take the place of the one of `exchange`, whose branch is kept."""
        ((parent,),) = self.store.database.read("SELECT parent FROM exchange WHERE id = ?", exchange)
        self.rewind(parent)

    def rewind(self, exchange: int | None) -> None:
        """Make `exchange` the last one of the current branch; None goes back before the first question."""
        with self.store.database.transaction() as cursor:
            cursor.execute("UPDATE session SET head = ? WHERE id = ?", (exchange, self.session_id))
        self.head = exchange

    def switch(self, exchange: int) -> None:
        """Make the branch that holds `exchange` the current one, up to its newest end."""
        self.rewind(self.record().leaf(exchange))

    def mark(self, exchange: int, mark: Mark | None, correction: str = "") -> None:
        """Mark an answer; see `SessionStore.mark`."""
        self.store.mark(exchange, mark, correction)

    def record(self) -> Record:
        """Return the session as it is stored, with the branch of this writer as the current one."""
        assert self.session_id is not None
        record = self.store.read(self.session_id)
        return Record(record.session, record.exchanges, self.head)

    def conversation(self, agent: Agent) -> Conversation:
        """Return the conversation so far: what `agent` offers now, and the turns of the current branch."""
        conversation = agent.begin()
        branch = self.record().branch if self.session_id else ()
        if branch:
            turns = tuple(turn for exchange in branch for turn in exchange.turns)
            instruction = branch[-1].transcript.instruction
            conversation.transcript = replace(conversation.transcript, turns=turns, instruction=instruction)
            conversation.untrusted = any(exchange.untrusted for exchange in branch)
        return conversation

    def _do(self, write: Callable[[], None]) -> None:
        """Run what could not be written before, then `write`; keep what fails."""
        self._pending.append(write)
        try:
            while self._pending:
                self._pending[0]()
                del self._pending[0]
        except SessionsError as error:
            if not self._warned:
                self._warned = True
                self.warn(f"this session is not saved: {error}")

    def _add_exchange(self, text: str, untrusted: bool, preamble: str, started: str) -> None:
        session_id, parent, forked = self.session_id, self.head, False
        with self.store.database.transaction() as cursor:
            if session_id is not None:
                row = cursor.execute(
                    "SELECT number, head FROM session WHERE id = ?", (session_id,)
                ).fetchone()
                if row is None:  # purged meanwhile by another process: begin a new session
                    session_id = parent = None
                else:
                    forked = row[1] != parent
            if session_id is None:
                session_id, self.title = secrets.token_hex(6), title_of(text)
                cursor.execute(
                    "INSERT INTO session (id, title, workspace, models, created, updated)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (session_id, self.title, self.workspace, self.models, started, started),
                )
            cursor.execute("INSERT OR IGNORE INTO preamble (content) VALUES (?)", (preamble,))
            cursor.execute(
                "INSERT INTO exchange (session, parent, preamble, question, untrusted, started, process)"
                " SELECT number, ?, preamble.id, ?, ?, ?, ? FROM session, preamble"
                " WHERE session.id = ? AND preamble.content = ?",
                (parent, text, untrusted, started, self.store.process(), session_id, preamble),
            )
            exchange = cursor.lastrowid
            cursor.execute(
                # `removed`: an open session that was removed is restored by its next question.
                "UPDATE session SET head = ?, updated = ?, models = ?, removed = NULL WHERE id = ?",
                (exchange, started, self.models, session_id),
            )
        self.session_id, self.head, self.forked = session_id, exchange, forked
        self._exchange, self._answer = exchange, None

    def _set_preamble(self, preamble: str) -> None:
        """Write what the question's turn had on offer in the end, where tools were picked for it."""
        with self.store.database.transaction() as cursor:
            cursor.execute("INSERT OR IGNORE INTO preamble (content) VALUES (?)", (preamble,))
            cursor.execute(
                "UPDATE exchange SET preamble = (SELECT id FROM preamble WHERE content = ?) WHERE id = ?",
                (preamble, self._exchange),
            )

    def _add_answer(self, piece: str) -> None:
        identity, text = self._answer or (None, "")
        text += storable(piece)
        content = compact({"text": text})
        with self.store.database.transaction() as cursor:
            if identity is None:
                cursor.execute(
                    "INSERT INTO event (exchange, kind, content) SELECT id, 'answer', ? FROM exchange"
                    " WHERE id = ?",
                    (content, self._exchange),
                )
                identity = cursor.lastrowid
            else:
                cursor.execute("UPDATE event SET content = ? WHERE id = ?", (content, identity))
        assert identity is not None
        # Each piece rewrites its row, so the length of a row is bounded.
        self._answer = (identity, text) if len(text) < ANSWER_ROW else None

    def _add_event(self, event: Event) -> None:
        content = event_to_json(event)
        kind = content.pop("event")
        with self.store.database.transaction() as cursor:
            cursor.execute(
                "INSERT INTO event (exchange, kind, content) SELECT id, ?, ? FROM exchange WHERE id = ?",
                (kind, storable(compact(content)), self._exchange),
            )
            if isinstance(event, Finished):
                cursor.execute("UPDATE exchange SET reason = ? WHERE id = ?", (event.reason, self._exchange))
                cursor.execute("UPDATE session SET updated = ? WHERE id = ?", (now(), self.session_id))
        self._answer = None


def _preamble(transcript: Transcript) -> str:
    """Return what a transcript has beside its turns, as it is stored."""
    return storable(compact(transcript_to_json(replace(transcript, turns=()))))
