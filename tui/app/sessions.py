"""The sessions of the app: the store, the session that the chat writes, and a stored one shown again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from textual.message import Message

from agent.errors import InputError, UmiError
from tui.app.chat.attached_files import typed_again
from tui.app.transcript.replay import blocks_of
from tui.app.transcript.transcript_view import TranscriptView
from tui.text import one_line

if TYPE_CHECKING:
    from agent.loop import Agent, Conversation
    from agent.sessions import SessionStore, SessionWriter
    from tui.setup import AgentInfo


class SessionWarning(Message):
    """What is said or asked from now on is not saved; `line` says why."""

    def __init__(self, line: str) -> None:
        self.line = one_line(line)
        super().__init__()


class AppSessions:
    """The store and the writer of the session on the screen; both None where nothing can be saved.

    With `session`, the app starts with the session whose id begins so, with `go_on` with the last one of the
    workspace, else with a new one.
    """

    def __init__(self, *, go_on: bool = False, session: str | None = None) -> None:
        self._go_on = go_on
        self._session = session
        self._info: AgentInfo | None = None
        self._post: Callable[[Message], object] = lambda message: None
        self.store: SessionStore | None = None
        self.writer: SessionWriter | None = None
        self.problem = ""

    def check(self) -> None:
        """Raise UmiError where the session to start with does not exist, before the app takes the screen."""
        if self._session is not None:
            with _open_store() as store:
                store.find(self._session)

    def open(self, info: AgentInfo, post: Callable[[Message], object]) -> None:
        """Open the store, in the thread that loads the models; `problem` says what failed.

        Warnings of the writers are given to `post`.
        """
        self._info, self._post = info, post
        try:
            self.store = _open_store()
            found = self.store.find(self._session) if self._session else None
            if self._go_on and (found := self.store.last(info.workspace)) is None:
                self.problem = "There is no session of this folder to go on from; this is a new one."
            self._write(self.store, info, found.id if found else None)
        except UmiError as error:
            self.problem = f"This session is not saved: {error}"

    def use_models(self, info: AgentInfo) -> None:
        """Let the session go on with other models, which it names from its next question on."""
        self._info = info
        if self.writer:
            self.writer.models = info.bundle

    def close(self) -> None:
        """Close the store. May be called twice."""
        if self.store:
            self.store.close()

    def begin(self) -> None:
        """Let the next question begin a new session."""
        if self.store and self._info:
            self._write(self.store, self._info, None)

    def resume(self, session: str) -> None:
        """Go on from the end of a stored session. Raise UmiError where that cannot be read."""
        if self.store and self._info:
            self._write(self.store, self._info, session)

    def _write(self, store: SessionStore, info: AgentInfo, session: str | None) -> None:
        """Write on the end of a stored session, or a new one at None."""
        from agent.sessions import SessionWriter

        writer = (
            SessionWriter.resume(store, session, info.bundle)
            if session
            else SessionWriter.begin(store, info.workspace, info.bundle)
        )
        writer.warn = lambda line: self._post(SessionWarning(line[0].upper() + line[1:]))
        self.writer = writer

    def require_store(self) -> SessionStore:
        """Return the store. Raise InputError where there is none."""
        if self.store is None:
            raise InputError("sessions are not saved", "see why with: umi sessions list")
        return self.store

    def require_writer(self) -> SessionWriter:
        """Return the writer of a session that has a question. Raise InputError where there is none."""
        self.require_store()
        if self.writer is None or self.writer.session_id is None:
            raise InputError("nothing was asked in this session so far", "ask something first")
        return self.writer

    def conversation(self, agent: Agent) -> Conversation:
        """Return the conversation that the next question goes on from; a new one if it cannot be read."""
        if self.writer:
            with suppress(UmiError):
                return self.writer.conversation(agent)
        return agent.begin()

    async def show(self, view: TranscriptView) -> str:
        """Show the current branch; return its last question where that was interrupted, to be asked again."""
        if self.writer is None or self.writer.session_id is None:
            return ""
        record = self.writer.record()
        branch = record.branch
        versions: dict[int | None, list[int]] = {}
        for exchange in record.exchanges:
            versions.setdefault(exchange.parent, []).append(exchange.id)
        await view.open(
            block
            for exchange in branch
            for block in blocks_of(exchange, versions[exchange.parent], plain_answers=view.plain_answers)
        )
        if branch and branch[-1].state == "interrupted":
            return typed_again(branch[-1].question, branch[-1].events)
        return ""

    def typed(self, exchange: int) -> str:
        """Return the question of an exchange as it was typed. Raise InputError if it does not exist."""
        found = [one for one in self.require_writer().record().exchanges if one.id == exchange]
        if not found:
            raise InputError("this question is not saved", "ask it again")
        return typed_again(found[0].question, found[0].events)


def _open_store() -> SessionStore:
    """Open the store; what it needs is loaded here, after the first paint."""
    from agent.sessions import SessionStore

    return SessionStore.open()
