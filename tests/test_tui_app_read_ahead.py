"""Reading ahead in the app: what the models read while a question is typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from app_pilot import app_of, ready, send, state, until
from fakes import calculation, call, plan, scripted

import agent.llama.binding.hardware
from agent.config import set_value
from agent.engine import ScriptedEngine
from agent.transcript import CallerTurn, UserTurn
from tui.app.chat.read_ahead import PAUSE_S
from tui.app.question_input import QuestionInput


def read(engine: ScriptedEngine) -> list[str]:
    """The question that each reading ended with; empty where there was none."""
    last = [each.turns[-1] if each.turns else None for each in engine.read]
    return [turn.content if isinstance(turn, UserTurn) else "" for turn in last]


async def test_what_is_typed_is_read_before_it_is_sent(tmp_path: Path) -> None:
    writing = [plan("I will write it.", "caller"), call("write_file", path="plan.txt", content="x")]
    refused = plan("The user refused it.", "give up")
    opened = scripted([*calculation(), *writing, refused], tmp_path)
    engine = opened.agent.engine
    assert isinstance(engine, ScriptedEngine)
    app = app_of(opened)
    async with app.run_test() as pilot:
        await ready(pilot)
        await pilot.press(*"how far")
        await until(pilot, lambda: "how far" in read(engine))
        app.query_one(QuestionInput).put("/help")
        await pilot.pause(2 * PAUSE_S)
        assert not any(text.startswith("/") for text in read(engine))
        app.query_one(QuestionInput).put("")
        await send(pilot, "what is 17.5% of 240?")
        await until(pilot, lambda: len(engine.seen) == 4 and state(pilot) == "ready")
        # What the roles wrote is read while the answer is looked at.
        await until(pilot, lambda: len(engine.read[-1].turns) == 6)
        await send(pilot, "write a plan")
        # The call is read while a person decides on it.
        await until(pilot, lambda: any(isinstance(turn, CallerTurn) for turn in engine.read[-1].turns[-1:]))
        await pilot.press("escape")
        await ready(pilot)


async def test_a_conversation_that_is_left_goes_to_the_disk(tmp_path: Path) -> None:
    chat = [plan("No tool is needed.", "summarizer"), "One."]
    opened = scripted([*calculation(), *chat], tmp_path)
    engine = opened.agent.engine
    assert isinstance(engine, ScriptedEngine)
    app = app_of(opened)
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "what is 17.5% of 240?")
        await until(pilot, lambda: len(engine.seen) == 4 and state(pilot) == "ready")
        await send(pilot, "one?")
        await until(pilot, lambda: len(engine.seen) == 6 and state(pilot) == "ready")
        await send(pilot, "/rewind")
        await pilot.pause(2 * PAUSE_S)
        assert engine.saved == [], "it is the same conversation"
        app.query_one(QuestionInput).clear()
        await send(pilot, "/new")
        await until(pilot, lambda: [len(each.turns) for each in engine.saved] == [6])
        await until(pilot, lambda: not engine.read[-1].turns)
    app.chat.save_state()
    assert len(engine.saved) == 1, "nothing was said"


@pytest.mark.parametrize(("mode", "battery"), [("off", False), ("auto", True)])
async def test_it_can_be_off(
    mode: str, battery: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_value("engine.read_ahead", mode)
    monkeypatch.setattr(agent.llama.binding.hardware, "on_battery", lambda: battery)
    opened = scripted([], tmp_path)
    engine = opened.agent.engine
    assert isinstance(engine, ScriptedEngine)
    async with app_of(opened).run_test() as pilot:
        await ready(pilot)
        await pilot.press(*"how far")
        await pilot.pause(3 * PAUSE_S)
        assert engine.read == []
