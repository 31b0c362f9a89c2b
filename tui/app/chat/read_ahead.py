"""Reading ahead: while nothing else is to be done, the models read what was typed of the next question.

What they read of a conversation that is left goes to the disk in the same thread, before another is read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING

from textual.timer import Timer

from agent.errors import UmiError

if TYPE_CHECKING:
    from agent.loop import Conversation
    from agent.transcript import Transcript
    from tui.app.chat.chat_view import ChatView

PAUSE_S = 0.1
"""Seconds without a key after which the text is read; fast typing has 0.15 s between two."""


class ReadAhead:
    """Reads the conversation of `view` and its input in a thread; a newer text stops the one being read."""

    def __init__(self, view: ChatView) -> None:
        self._view = view
        self._timer: Timer | None = None
        self._lock = threading.Lock()
        self._next: Callable[[], object] | None = None
        self._left: list[Callable[[], object]] = []
        self._running = False

    def begin(self) -> None:
        """Read what is there once nothing was typed for a moment, unless a question is being answered."""
        if self._timer is not None:
            self._timer.stop()
        self._timer = self._view.set_timer(PAUSE_S, self._start)

    def leave(self, conversation: Conversation, other: Conversation) -> None:
        """Keep on disk what the models read of a conversation, unless `other` is an earlier point of it."""
        is_left = conversation.transcript.turns[:1] != other.transcript.turns[:1]
        if self._view.opened is not None and is_left:
            with self._lock:
                self._left.append(partial(self._view.opened.agent.save_state, conversation))
            self._wake()

    def wait(self, transcript: Transcript) -> None:
        """Read up to the result of the last call, which waits for a person to decide on it."""
        if self._view.opened is not None and self._is_on():
            read = self._view.opened.agent.engine.read_ahead
            with self._lock:
                self._next = partial(read, transcript, cancelled=self._is_replaced)
            self._wake()

    def _is_on(self) -> bool:
        return self._mode == "on" or (self._mode == "auto" and not _on_battery())

    @cached_property
    def _mode(self) -> str:
        from agent.config import engine_settings

        return engine_settings().read_ahead

    def _start(self) -> None:
        view, text = self._view, self._view.question.text
        if view.opened is None or view.conversation is None or view.is_answering or text.startswith("/"):
            return
        if not self._is_on():
            return
        with self._lock:
            # What replaces it, or a question, stops it.
            self._next = partial(view.opened.agent.read_ahead, view.conversation, text, self._is_replaced)
        self._wake()

    def _wake(self) -> None:
        """Start the thread, unless it runs."""
        with self._lock:
            if self._running:
                return
            self._running = True
        self._view.run_worker(self._run, thread=True, group="read-ahead", exit_on_error=False)

    def _is_replaced(self) -> bool:
        return self._next is not None or bool(self._left)

    def _run(self) -> None:
        while (read := self._take()) is not None:
            try:
                read()
            except UmiError:
                continue  # the question itself will tell

    def _take(self) -> Callable[[], object] | None:
        with self._lock:
            if self._left:
                return self._left.pop(0)
            read, self._next = self._next, None
            self._running = read is not None
            return read


def _on_battery() -> bool:
    from agent.llama.binding.hardware import on_battery

    return on_battery()
