"""Approving or refusing a file, stopping a turn, and quitting the app."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from app_pilot import app_of, asked, ready, send, texts, until
from fakes import call, plan, scripted

from agent.engine import ScriptedEngine
from agent.transcript import UserTurn
from tui.app.approval.approval_prompt import ApprovalPrompt
from tui.app.question_input import QuestionInput
from tui.app.transcript.blocks import CallBlock, NoteBlock, ObservationBlock, ThoughtBlock, UserBlock
from tui.app.transcript.markdown_answer import AnswerBlock


async def test_escape_stops_a_turn_and_the_next_one_works(tmp_path: Path) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def hold(role: str) -> None:
        if role == "caller" and not reached.is_set():
            reached.set()
            assert go_on.wait(10)

    # The caller's first text is cut by the cancel; the second turn starts with the script's third text.
    script = [plan("I need to look.", "caller"), call("list_files"), plan("", "summarizer"), "Hello again."]
    opened = scripted(script, tmp_path, on_generate=hold)
    app = app_of(opened)
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "list my files")
        await until(pilot, reached.is_set)
        await pilot.press("escape")
        await send(pilot, "too early")
        assert texts(pilot, UserBlock) == ["list my files"], (
            "a second turn started before the first one ended"
        )
        app.query_one(QuestionInput).text = ""
        go_on.set()
        await ready(pilot)
        assert texts(pilot, CallBlock) == []
        assert "Stopped" in texts(pilot, NoteBlock)[-1]
        await send(pilot, "hello")
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["Hello again."])
        await ready(pilot)
    engine = opened.agent.engine
    assert isinstance(engine, ScriptedEngine)
    assert engine.seen[-1][1].turns[0] == UserTurn("hello"), "the stopped question stayed in the conversation"


def writing(answer: str) -> list[str]:
    return [
        plan("I need to write the file.", "caller"),
        call("write_file", path="plan.txt", content="buy milk\n" * 60),
        plan("That is done.", "summarizer"),
        answer,
    ]


@pytest.mark.parametrize(
    ("keys", "written"),
    [
        (["ctrl+g"], True),
        (["tab", "right", "enter"], True),
        (["escape"], False),
        (["tab", "enter"], False),
        (["tab", "escape"], False),
    ],
)
async def test_a_file_is_written_only_after_approval(tmp_path: Path, keys: list[str], written: bool) -> None:
    app = app_of(scripted(writing("All right."), tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "write a plan")
        prompt = await asked(pilot)
        answers = app.query_one("ApprovalPrompt .answers").region
        assert prompt.region.contains_region(answers), "the answers are cut off"
        assert not (tmp_path / "workspace" / "plan.txt").exists()
        await pilot.press(*keys)
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["All right."])
        await ready(pilot)
        await until(pilot, lambda: not app.query(ApprovalPrompt))
        assert app.focused is app.query_one(QuestionInput)
        assert app.query_one(ObservationBlock).has_class("ok") is written
        assert app.query_one(AnswerBlock).has_class("failed") is not written
    assert (tmp_path / "workspace" / "plan.txt").exists() is written


async def test_quitting_while_an_approval_waits_ends_the_turn_unwritten(tmp_path: Path) -> None:
    app = app_of(scripted(writing("Never said."), tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "write a plan")
        await until(pilot, lambda: bool(app.query(ApprovalPrompt)))
        await pilot.press("ctrl+q")
    assert not (tmp_path / "workspace" / "plan.txt").exists()


async def test_ctrl_c_refuses_and_stops(tmp_path: Path) -> None:
    app = app_of(scripted(writing("Never said."), tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "write a plan")
        await until(pilot, lambda: bool(app.query(ApprovalPrompt)))
        await pilot.press("ctrl+c")
        await ready(pilot)
        await until(pilot, lambda: app.focused is app.query_one(QuestionInput))
        assert not app.query(AnswerBlock)
    assert not (tmp_path / "workspace" / "plan.txt").exists()


async def test_escape_without_focus_refuses(tmp_path: Path) -> None:
    app = app_of(scripted(writing("So be it."), tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "write a plan")
        await until(pilot, lambda: bool(app.query(ApprovalPrompt)))
        app.set_focus(None)
        await pilot.press("escape")
        await ready(pilot)
        await until(pilot, lambda: app.focused is app.query_one(QuestionInput))
        await until(pilot, lambda: not app.query(ApprovalPrompt))
    assert not (tmp_path / "workspace" / "plan.txt").exists()


async def test_ctrl_c_twice_quits(tmp_path: Path) -> None:
    app = app_of(scripted([], tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        await pilot.press("ctrl+c")
        assert app.is_running
        await pilot.press("ctrl+c")
        await until(pilot, lambda: not app.is_running)


async def test_new_during_a_turn_discards_the_turn(tmp_path: Path) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def hold(_role: str) -> None:
        reached.set()
        assert go_on.wait(10)

    app = app_of(scripted([plan("I stay here.", "caller"), "unused"], tmp_path, on_generate=hold))
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "first")
        await until(pilot, reached.is_set)
        await send(pilot, "/new")
        go_on.set()
        await ready(pilot)
        assert not app.query(UserBlock)
        assert not app.query(ThoughtBlock)
        assert len(app.query(NoteBlock)) == 1
