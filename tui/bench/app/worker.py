"""The processes that `umi bench app` measures; each writes its figures to the file that it is given."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from textual.app import App, ComposeResult
from textual.widgets import Static

DELTAS_PER_SECOND = 60
WORDS = 500
BLOCKS = 1000
SESSIONS = 10_000
SEARCHES = ("word7", "word1234", "the", "wor", "the word3", "the word1 word2 word3 what is")
"""A frequent and a rare word, the most frequent one, a beginning of all, several words."""


class BareApp(App[None]):
    """The least that Textual draws."""

    def compose(self) -> ComposeResult:
        """Yield one line."""
        yield Static("ready")

    def on_ready(self) -> None:
        """End once the line is drawn."""
        self.call_after_refresh(self.exit)


def first_paint() -> None:
    """Run umi's app until its first screen is drawn."""
    from tui.app.app import UmiApp
    from tui.setup import LoadedAgent

    def models() -> LoadedAgent:
        raise SystemExit  # the app is gone before models would be loaded

    class FirstPaint(UmiApp):
        def on_ready(self) -> None:
            self.call_after_refresh(self.exit)

    app = FirstPaint(models)
    app.run()
    if app.return_code:
        raise SystemExit(app.return_code)


def streaming(folder: Path) -> dict[str, float]:
    """Return the share of a core that drawing a streamed answer takes, and its seconds."""
    from tui.app.app import UmiApp

    app = UmiApp(lambda: _loaded(folder))
    figures: dict[str, float] = {}

    async def measure() -> None:
        while app.opened is None or app.chat.status.busy:
            await _sleep(0.05)
        began, began_cpu = time.perf_counter(), time.process_time()
        await app.chat.ask("count")
        while app.is_answering:
            await _sleep(0.05)
        seconds = time.perf_counter() - began
        figures["streaming_seconds"] = seconds
        figures["streaming_cpu_share"] = (time.process_time() - began_cpu) / seconds
        app.exit()

    _run(app, measure)
    return figures


def opening(folder: Path) -> dict[str, float]:
    """Return the seconds from asking for a session of `BLOCKS` blocks until its end is drawn."""
    from agent.events import CallProposed, Finished, Observation, Thought
    from agent.sessions import SessionStore, SessionWriter
    from tui.app.app import UmiApp

    app = UmiApp(lambda: _loaded(folder))
    figures: dict[str, float] = {}
    with SessionStore.open() as store:
        writer = SessionWriter.begin(store, folder, "bench")
        conversation = _loaded(folder).agent.begin()
        for number in range(BLOCKS // 5):
            writer.question(f"question {number}", conversation)
            writer.event(Thought(1, "I need to calculate this.", "caller"))
            writer.event(CallProposed(1, 0, "calculate", {"expression": f"{number}*2"}))
            writer.event(Observation(1, 0, "calculate", True, str(number * 2)))
            writer.event(Finished("answered", f"It is **{number * 2}**."))
        session = writer.session_id or ""

    async def measure() -> None:
        while app.opened is None or app.chat.status.busy:
            await _sleep(0.05)
        began = time.perf_counter()
        app.sessions.resume(session)
        await app.show_session()
        drawn: list[float] = []
        app.call_after_refresh(lambda: drawn.append(time.perf_counter()))
        while not drawn:
            await _sleep(0.005)
        figures["open_1000_blocks_seconds"] = drawn[0] - began
        app.exit()

    _run(app, measure)
    return figures


def searching(folder: Path) -> dict[str, float]:
    """Return the processor seconds of the slowest of `SEARCHES` over `SESSIONS` sessions: medians of five."""
    from agent.events import Finished, Observation
    from agent.loop import Conversation
    from agent.sessions import SessionStore, SessionWriter
    from agent.transcript import Transcript
    from tui.app.screens.sessions import LISTED

    chance = Random(0)

    def words(count: int) -> str:
        return " ".join(f"word{int(chance.paretovariate(0.5)) % 2000}" for _ in range(count))

    with SessionStore.open(folder / "sessions.db") as store:
        store.database.flush = lambda: None  # what is made here need not outlive a crash
        for _ in range(SESSIONS):
            writer = SessionWriter.begin(store, folder, "bench")
            for _ in range(2):
                writer.question(f"what is the {words(6)}?", Conversation(Transcript()))
                writer.event(Observation(1, 0, "calculate", True, words(20)))
                writer.event(Finished("answered", f"It is the {words(20)}."))
        slowest = max(
            median(_seconds(lambda text=text: store.search(text, LISTED)) for _ in range(5))
            for text in SEARCHES
        )
    return {"search_10000_sessions_seconds": slowest}


def _seconds(run: Callable[[], object]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def _run(app: App[None], measure: Callable[[], Any]) -> None:
    app.call_later(app.run_worker, measure())
    app.run()


async def _sleep(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)


def _loaded(folder: Path) -> Any:
    """Return an agent whose answer comes at `DELTAS_PER_SECOND`."""
    from agent.engine import Choice, Delta, Generated, ScriptedEngine
    from agent.events import Reading
    from agent.loop import Agent
    from agent.tools import ToolContext, Workspace, builtin_tools
    from agent.tools.toolbox import Toolbox
    from agent.transcript import Role, Transcript
    from tui.setup import AgentInfo, LoadedAgent

    class PacedEngine(ScriptedEngine):
        def generate(
            self,
            role: Role,
            transcript: Transcript,
            *,
            cancelled: Callable[[], bool],
            instead_of: Choice | None = None,
            brief: bool = False,
        ) -> Iterator[Reading | Delta | Generated]:
            for event in super().generate(
                role, transcript, cancelled=cancelled, instead_of=instead_of, brief=brief
            ):
                if isinstance(event, Delta):
                    time.sleep(1 / DELTAS_PER_SECOND)
                yield event

    words = [f"word{number}" + (".\n\n" if number % 40 == 39 else "") for number in range(WORDS)]
    engine = PacedEngine(["\nNext: summarizer", " ".join(words)])
    toolbox = Toolbox(builtin_tools(), ToolContext(Workspace(folder), folder / "notes.jsonl"))
    return LoadedAgent(Agent(engine, toolbox), AgentInfo("bench", (("planner.gguf", 1),), folder))


def main(task: str, out: str) -> None:
    """Run one task and write its figures as JSON."""
    figures: dict[str, float] = {}
    folder = Path(out).parent
    match task:
        case "bare":
            BareApp().run()
        case "first_paint":
            first_paint()
        case "streaming":
            figures = streaming(folder)
        case "opening":
            figures = opening(folder)
        case "searching":
            figures = searching(folder)
    Path(out).write_text(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
