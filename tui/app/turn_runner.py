"""The turns of the chat, one at a time: their numbers, the thread that uses the engine, cancellation."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from textual.widget import Widget

from tui.app.turn import run_turn

if TYPE_CHECKING:
    from agent.loop import Agent, Conversation
    from agent.sessions import SessionWriter
    from tui.app.chat.attached_files import Question


class TurnRunner:
    """Runs turns in threads that post their messages to `view`."""

    def __init__(self, view: Widget) -> None:
        self.typed = ""
        """The question of the last turn as it was typed."""
        self.reason = ""
        """Why the last turn finished; empty before its end."""
        self._view = view
        self._last = 0
        self._shown = 0
        self._running = 0
        self._cancelled = threading.Event()
        self._engine = threading.Lock()

    @property
    def is_running(self) -> bool:
        """Whether a turn is running."""
        return bool(self._running)

    @property
    def is_cancelled(self) -> bool:
        """Whether the last turn was cancelled."""
        return self._cancelled.is_set()

    def start(
        self,
        agent: Agent,
        conversation: Conversation,
        question: Question,
        typed: str,
        writer: SessionWriter | None,
    ) -> None:
        """Run a turn, whose messages are to be shown."""
        self._last += 1
        self._running = self._shown = self._last
        self.typed, self.reason = typed, ""
        self._cancelled = threading.Event()
        run = partial(
            run_turn,
            agent,
            conversation,
            question.text,
            turn=self._running,
            cancelled=self._cancelled.is_set,
            post=self._view.post_message,
            writer=writer,
            attachments=question.attachments,
        )
        self.use_engine(run, "turn")

    def use_engine(self, run: Callable[[], object], group: str) -> None:
        """Run what uses the engine in a thread; one at a time does."""

        def locked() -> None:
            with self._engine:
                run()

        self._view.run_worker(locked, thread=True, group=group)

    def cancel(self) -> None:
        """Cancel the running turn, which ends by itself soon after."""
        self._cancelled.set()

    def end(self, turn: int) -> bool:
        """Take the end of turn number `turn`; return whether it is the one that ran."""
        if turn != self._running:
            return False
        self._running = 0
        return True

    def hide(self) -> None:
        """Show no message of the turns so far."""
        self._shown = 0

    def is_shown(self, turn: int) -> bool:
        """Return whether the messages of turn number `turn` are to be shown."""
        return turn == self._shown
