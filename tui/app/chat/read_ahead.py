"""Reading ahead: while nothing else is to be done, the models read what was typed of the next question."""

from __future__ import annotations

import threading
from collections.abc import Callable

from textual.timer import Timer
from textual.widget import Widget

from agent.config import EngineSettings
from agent.errors import UmiError
from agent.llama.binding.hardware import on_battery

PAUSE_S = 0.1
"""Seconds without a key after which the text is read; fast typing has 0.15 s between two."""

Read = Callable[[str, Callable[[], bool]], bool]
"""Reads a text, unless it is cancelled."""


class ReadAhead:
    """Reads texts in a thread of `widget`, one at a time; a newer one stops the one that is being read."""

    def __init__(self, widget: Widget, settings: EngineSettings) -> None:
        self._widget = widget
        self._mode = settings.read_ahead
        self._timer: Timer | None = None
        self._lock = threading.Lock()
        self._next: tuple[str, Read] | None = None
        self._running = False

    def typed(self, text: str, read: Read) -> None:
        """Read `text` by `read`, once nothing was typed for a moment."""
        if self._timer is not None:
            self._timer.stop()
        self._timer = self._widget.set_timer(PAUSE_S, lambda: self._start(text, read))

    def _start(self, text: str, read: Read) -> None:
        if self._mode == "off" or (self._mode == "auto" and on_battery()):
            return
        with self._lock:
            self._next = text, read
            if self._running:
                return
            self._running = True
        self._widget.run_worker(self._run, thread=True, group="read-ahead", exit_on_error=False)

    def _run(self) -> None:
        while (job := self._take()) is not None:
            text, read = job
            try:
                read(text, lambda: self._next is not None)
            except UmiError:
                continue  # the question itself will tell

    def _take(self) -> tuple[str, Read] | None:
        with self._lock:
            job, self._next = self._next, None
            self._running = job is not None
            return job
