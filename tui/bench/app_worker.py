"""The processes that `umi bench app` measures: a bare Textual app, umi's app, a streamed answer, a long session."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from textual.app import App, ComposeResult
from textual.widgets import Static

MARK = "\x1b]0;painted\x07"
"""What a process writes once its first screen is drawn: a title that no terminal shows in the text."""
DELTAS_PER_SECOND = 60
WORDS = 500
BLOCKS = 1000


class BareApp(App[None]):
    """The least that Textual draws."""

    def compose(self) -> ComposeResult:
        """Yield one line."""
        yield Static("ready")

    def on_mount(self) -> None:
        """End once the line is drawn."""
        self.call_after_refresh(_painted, self)


def _painted(app: App[None]) -> None:
    sys.__stdout__.write(MARK)  # pyright: ignore[reportOptionalMemberAccess]
    sys.__stdout__.flush()  # pyright: ignore[reportOptionalMemberAccess]
    app.exit()


def _first_paint() -> None:
    from tui.app.app import UmiApp
    from tui.setup import LoadedAgent

    def never() -> LoadedAgent:
        time.sleep(0.5)
        raise SystemExit

    class Timed(UmiApp):
        def on_ready(self) -> None:
            self.call_after_refresh(_painted, self)

    Timed(never).run()


def _streaming(folder: Path) -> dict[str, float]:
    """Return the share of a core that streaming takes, and its seconds."""
    from tui.app.app import UmiApp
    from tui.app.turn import TurnEnded

    answer = " ".join(f"word{number}" for number in range(WORDS))
    marks: list[tuple[float, float]] = []

    class Streamed(UmiApp):
        async def on_ready(self) -> None:
            self.set_timer(1.0, self._begin)

        async def _begin(self) -> None:
            marks.append((time.perf_counter(), time.process_time()))
            await self.chat.ask("count")

        def on_turn_ended(self, message: TurnEnded) -> None:
            self.exit()

    from tui.app.chat import chat_view

    ended = chat_view.ChatView.on_turn_ended

    async def end(view: chat_view.ChatView, message: TurnEnded) -> None:
        await ended(view, message)
        marks.append((time.perf_counter(), time.process_time()))
        view.app.exit()

    chat_view.ChatView.on_turn_ended = end  # measured where the app itself learns of it
    Streamed(lambda: _scripted(folder, answer, 1 / DELTAS_PER_SECOND)).run()
    (began, began_cpu), (over, over_cpu) = marks
    return {"streaming_seconds": over - began, "streaming_share": (over_cpu - began_cpu) / (over - began)}
