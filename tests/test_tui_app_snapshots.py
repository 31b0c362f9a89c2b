"""What the screen shows, line by line, in the states that a user meets.

The texts are in `tests/snapshots`; UMI_WRITE_SNAPSHOTS=1 writes them anew.
"""

from __future__ import annotations

import os
import re
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from app_pilot import app_of, asked, ready, send, texts, until
from fakes import calculation, call, plan, scripted

from tui.app.app import UmiApp
from tui.app.chat.completion import CompletionList
from tui.app.chat.queue import QueuedQuestions
from tui.app.question_input import QuestionInput
from tui.app.status_line import StatusLine
from tui.app.transcript.blocks import AnswerBlock, NoteBlock

SNAPSHOTS = Path(__file__).parent / "snapshots"


def check(app: UmiApp, name: str) -> None:
    """Compare the screen with the snapshot of that name; the moving sign of a running turn stands still."""
    strips = app.screen._compositor.render_strips()
    screen = "\n".join(strip.text.rstrip() for strip in strips).rstrip() + "\n"
    screen = re.sub("[\u2801-\u28ff]", "\u2819", screen)
    path = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("UMI_WRITE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(screen, encoding="utf-8")
    assert screen == path.read_text(encoding="utf-8")


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
        await pilot.pause()
        check(app, f"start_{size[0]}x{size[1]}")


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


async def test_approval_with_a_diff(tmp_path: Path) -> None:
    script = [
        plan("I will use write_file for it.", "caller"),
        call("write_file", path="list.txt", content="milk\nbread\n"),
        plan("That is done.", "summarizer"),
        "Written.",
    ]
    app = app_in(tmp_path, script)
    (tmp_path / "workspace" / "list.txt").write_text("milk\neggs\n")
    async with app.run_test(size=(100, 30)) as pilot:
        await ready(pilot)
        await send(pilot, "write the list")
        prompt = await asked(pilot)
        await pilot.pause()
        assert app.query_one(StatusLine).render().plain.startswith("? waiting for your answer")
        screen = [strip.text for strip in app.screen._compositor.render_strips()]
        assert any("-eggs" in line for line in screen)
        prompt.refuse()
        await ready(pilot)


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
