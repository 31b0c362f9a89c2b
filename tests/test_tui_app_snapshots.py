"""What the screen shows, line by line, in the states that a user meets.

The texts are in `tests/snapshots`; UMI_WRITE_SNAPSHOTS=1 writes them anew.
"""

from __future__ import annotations

import math
import os
import re
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from app_pilot import app_of, asked, ready, send, texts, until
from contrast import colours_of, faint_words
from fakes import calculation, call, plan, scripted
from textual.pilot import Pilot
from textual.widgets import DataTable, OptionList

import agent.bundle.listing
import agent.llama.speed.probe
import agent.sessions.writer
import tui.app.screens.sessions
from agent.bundle.listing import ModelEntry
from agent.llama.speed.estimate import Rates, Weights
from agent.transcript import Call, Transcript
from tui.app.app import UmiApp
from tui.app.chat.completion import CompletionList
from tui.app.chat.queue import QueuedQuestions
from tui.app.question_input import QuestionInput
from tui.app.screens.context import ContextScreen
from tui.app.screens.models import ModelsScreen
from tui.app.screens.sessions import SessionsScreen
from tui.app.status_line import StatusLine
from tui.app.transcript.blocks import MarkBlock, NoteBlock
from tui.app.transcript.markdown_answer import AnswerBlock

SNAPSHOTS = Path(__file__).parent / "snapshots"


MODELS = [
    ModelEntry(
        "umi-mini",
        "bundle",
        15_600_000,
        "Apache-2.0",
        120_000_000,
        (Weights(4, {8: 5_000_000}, {8: 5_000_000}),),
        True,
    ),
    ModelEntry("broken", "bundle", 0, "", 0, about="caller.gguf is missing", usable=False),
    ModelEntry(
        "smollm2-135m", "catalogue", 144_000_000, "Apache-2.0", 345_000_000, approximate=True, about="SmolLM2"
    ),
]
RATES = {8: Rates(0.0, 1e-9, 0.0, 1e-10)}


def ask_back(transcript: Transcript, made: Call, margin: float) -> str:
    """Doubt about calculations."""
    return "Did you mean 17.5 percent of 240?" if made.name == "calculate" else ""


def check(app: UmiApp, name: str, hidden: str = "") -> None:
    """Compare the screen with the snapshot of that name; the moving sign of a running turn stands still.

    The folder `hidden` is another in each run.
    """
    strips = app.screen._compositor.render_strips()
    screen = "\n".join(strip.text.rstrip() for strip in strips).rstrip() + "\n"
    if hidden:  # a longer name of it would move the frame
        screen = re.sub(rf"{re.escape(hidden)}(\S*) *", r"/home/ada/notes\1 ", screen)
    screen = re.sub("[\u2801-\u28ff]", "\u2819", screen)
    compare(screen, name)


def compare(screen: str, name: str) -> None:
    """Compare a text with the snapshot of that name."""
    path = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("UMI_WRITE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(screen, encoding="utf-8")
    assert screen == path.read_text(encoding="utf-8")


async def settled(app: UmiApp, pilot: Pilot[None]) -> None:
    """Wait until the screen stays as it is: a layout takes several refreshes."""
    before: list[str] = []
    while (now := [strip.text for strip in app.screen._compositor.render_strips()]) != before:
        before = now
        await pilot.pause(0.1)


async def legible(app: UmiApp, pilot: Pilot[None], name: str, hidden: str = "") -> None:
    """Compare the screen with its snapshot, and find all of its words readable in every theme."""
    await settled(app, pilot)
    check(app, name, hidden)
    for theme in ("light", "high-contrast", "dark"):
        app.theme = theme
        await pilot.pause(0.05)
        assert faint_words(app) == []


def app_in(folder: Path, script: list[str], hold: threading.Event | None = None) -> UmiApp:
    """An app whose screen names the same workspace wherever the test runs."""

    def wait(role: str) -> None:
        if hold and role == "caller":
            assert hold.wait(10)

    opened = scripted(script, folder, on_generate=wait)
    return app_of(replace(opened, info=replace(opened.info, workspace=Path("/home/ada/notes"))))


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40)])
async def test_start_screen(tmp_path: Path, size: tuple[int, int]) -> None:
    app = app_in(tmp_path, [])
    async with app.run_test(size=size) as pilot:
        await ready(pilot)
        await until(pilot, lambda: bool(app.query_one(QuestionInput).border_subtitle))
        await legible(app, pilot, f"start_{size[0]}x{size[1]}")


async def test_completion_and_queue_while_a_turn_runs(tmp_path: Path) -> None:
    hold = threading.Event()
    app = app_in(tmp_path, [*calculation(), plan("", "summarizer"), "You are welcome."], hold)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        question = app.query_one(QuestionInput)
        question.insert("/m")
        await until(pilot, lambda: app.query_one(CompletionList).display)
        await pilot.pause()
        check(app, "completion")
        question.put("")
        await send(pilot, "what is 17.5% of 240?")
        await until(pilot, lambda: app.query_one(StatusLine).state == "caller reading…")
        await send(pilot, "thanks")
        await until(pilot, lambda: app.query_one(QueuedQuestions).display)
        app.query_one(StatusLine).show("caller reading…", progress=0.4)
        app.query_one(StatusLine)._advance = lambda: None  # the spinner stands still
        app.query_one(StatusLine)._frame = 0
        await pilot.pause()
        check(app, "running")
        hold.set()
        await until(pilot, lambda: len(texts(pilot, AnswerBlock)) == 2)
        await ready(pilot)
        await pilot.pause(0.1)
        check(app, "answered")
        await pilot.resize_terminal(50, 20)
        await pilot.pause(0.1)
        check(app, "narrow")


async def test_questions_about_calls_and_the_screens_over_the_chat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent.bundle.listing, "list_models", lambda settings: MODELS)
    monkeypatch.setattr(agent.llama.speed.probe, "known_rates", lambda threads: RATES)
    monkeypatch.setattr(tui.app.screens.sessions, "local_time", lambda iso: "2026-03-02 09:41")
    monkeypatch.setattr(agent.sessions.writer.secrets, "token_hex", lambda length: "3f9a0c71d2e4")
    script = [
        *calculation("It is 42."),
        plan("I will use write_file for it.", "caller"),
        call("write_file", path="list.txt", content="milk\nbread\n"),
        plan("That cannot be done.", "give up"),
    ]
    opened = scripted(script, tmp_path, check=ask_back)
    app = app_of(replace(opened, info=replace(opened.info, workspace=Path("/home/ada/notes"))))
    (tmp_path / "workspace" / "list.txt").write_text("milk\neggs\n")
    async with app.run_test(size=(120, 30)) as pilot:
        await ready(pilot)
        await send(pilot, "and 17.5 percent of 240?")
        prompt = await asked(pilot)
        await legible(app, pilot, "question_back")
        prompt.allow(math.inf)
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["It is 42."])
        await ready(pilot)
        await send(pilot, "write the list")
        prompt = await asked(pilot)
        assert app.query_one(StatusLine).render().plain.startswith("? waiting for your answer")
        await legible(app, pilot, "approval", hidden=str(tmp_path / "workspace"))
        prompt.refuse()
        await until(pilot, lambda: len(texts(pilot, AnswerBlock)) == 2)
        await ready(pilot)
        await pilot.press("f9")
        await until(pilot, lambda: bool(app.query(MarkBlock)))
        await legible(app, pilot, "conversation")
        app.theme = "light"
        await pilot.pause(0.05)
        compare("\n".join(colours_of(app)) + "\n", "light")
        app.theme = "dark"
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(app.screen, SessionsScreen))
        await pilot.press(*"list")
        await until(pilot, lambda: app.screen.query_one(OptionList).option_count == 1)
        await legible(app, pilot, "sessions_search")
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, SessionsScreen))
        await send(pilot, "/models")
        await until(pilot, lambda: isinstance(app.screen, ModelsScreen))
        await until(pilot, lambda: app.screen.query_one(DataTable).row_count == len(MODELS))
        await legible(app, pilot, "models")
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, ModelsScreen))
        await pilot.press("f8")
        await until(pilot, lambda: isinstance(app.screen, ContextScreen))
        await legible(app, pilot, "context")


async def test_open_result_and_error(tmp_path: Path) -> None:
    script = [
        plan("I need to read it.", "caller"),
        call("read_file", path="long.txt"),
        plan("", "summarizer"),
        "Read.",
    ]
    app = app_in(tmp_path, script)
    (tmp_path / "workspace" / "long.txt").write_text("".join(f"line {i}\n" for i in range(9)))
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await send(pilot, "read long.txt")
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["Read."])
        await ready(pilot)
        await pilot.pause(0.1)
        check(app, "folded_result")
        await pilot.press("ctrl+o")
        await pilot.pause(0.1)
        check(app, "open_result")
        await send(pilot, "/udno")
        await until(pilot, lambda: "no command" in texts(pilot, NoteBlock)[-1])
        await pilot.pause(0.1)
        check(app, "error")
        await pilot.press("f4")
        await pilot.pause(0.1)
        check(app, "times")
