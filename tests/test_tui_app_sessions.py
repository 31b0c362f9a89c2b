"""Sessions in the app: what is written, the screen that finds and resumes them, marks, exports."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from app_pilot import ready, send, texts, until
from fakes import calculation, plan, scripted
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from agent.engine import ScriptedEngine
from agent.events import AnswerDelta
from agent.loop import Conversation
from agent.sessions import SessionStore, SessionWriter
from agent.transcript import Transcript, UserTurn
from tui.app.app import UmiApp
from tui.app.question_input import QuestionInput
from tui.app.screens.sessions import SessionsScreen
from tui.app.sessions import AppSessions
from tui.app.transcript.blocks import MarkBlock, NoteBlock, UserBlock
from tui.app.transcript.markdown_answer import AnswerBlock
from tui.cli.main import main

CHAT = [plan("No tool is needed.", "summarizer"), "You are welcome."]


def app_on(script: Sequence[str], folder: Path, sessions: AppSessions | None = None) -> UmiApp:
    opened = scripted(script, folder)
    return UmiApp(lambda: opened, sessions=sessions)


async def ask(pilot: Pilot[None], question: str) -> None:
    """Ask and wait for the end of the turn."""
    await send(pilot, question)
    await until(pilot, lambda: question in texts(pilot, UserBlock))
    await ready(pilot)


def asked_last(app: UmiApp) -> list[str]:
    """The questions that the models saw when they generated last."""
    assert app.opened
    engine = app.opened.agent.engine
    assert isinstance(engine, ScriptedEngine)
    return [turn.content for turn in engine.seen[-1][1].turns if isinstance(turn, UserTurn)]


def marked(pilot: Pilot[None]) -> list[str]:
    """The marks that are shown, in the order of their answers."""
    return [text.split()[1].rstrip(".") for text in texts(pilot, MarkBlock)]


def shown(app: UmiApp, name: str) -> str:
    return str(app.screen.query_one(name, Static).render())


async def test_a_conversation_is_written_resumed_and_rewound(tmp_path: Path) -> None:
    app = app_on([*calculation("It is 42."), *CHAT], tmp_path)
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "/good")
        await until(pilot, lambda: "nothing was asked" in texts(pilot, NoteBlock)[-1])
        await ask(pilot, "what is 17.5% of 240?")
        await send(pilot, "/good")
        await until(pilot, lambda: "Marked good" in texts(pilot, NoteBlock)[-1])
        await ask(pilot, "thanks")
        for marks in (["good", "good"], ["good", "wrong"], ["good"], ["good", "good"]):
            await pilot.press("f9")
            await until(pilot, lambda marks=marks: marked(pilot) == marks)
        await pilot.press("ctrl+t", "up", "w")
        await until(pilot, lambda: marked(pilot) == ["good", "wrong"])
        question = app.query_one(QuestionInput)
        await pilot.press("ctrl+t", "x")
        await until(pilot, lambda: question.text == "You are welcome.")
        await pilot.press("escape")
        assert question.text == ""
        await send(pilot, "/correct")
        await until(pilot, lambda: question.text == "You are welcome.")
        question.clear()
        await send(pilot, "You helped me.")
        await until(pilot, lambda: marked(pilot) == ["good", "corrected"])
        assert "You helped me." in texts(pilot, MarkBlock)[-1]
        await pilot.press("f9")
        await until(pilot, lambda: "/unmark takes the correction away" in texts(pilot, NoteBlock)[-1])
        await pilot.press("ctrl+t", *["up"] * 9, "w")
        await until(pilot, lambda: marked(pilot) == ["wrong", "corrected"])
        kinds = [type(block) for block in app.chat.transcript.blocks]
        assert kinds.index(MarkBlock) == kinds.index(AnswerBlock) + 1
        await pilot.press("ctrl+t", *["up"] * 9, "g")
        await until(pilot, lambda: marked(pilot) == ["good", "corrected"])
        await send(pilot, "/rename Percentages")
        await until(pilot, lambda: "called: Percentages" in texts(pilot, NoteBlock)[-1])
        await send(pilot, "/export json talk.json")
        await until(pilot, lambda: "Written" in texts(pilot, NoteBlock)[-1])
        await send(pilot, "/export json talk.json")
        await until(pilot, lambda: "exists" in texts(pilot, NoteBlock)[-1])
    exported = json.loads((tmp_path / "workspace" / "talk.json").read_text())
    assert exported["title"] == "Percentages"
    assert [exchange["mark"] for exchange in exported["exchanges"]] == ["good", "corrected"]

    app = app_on([*CHAT, *CHAT], tmp_path, AppSessions(go_on=True))
    async with app.run_test() as pilot:
        await ready(pilot)
        assert texts(pilot, UserBlock) == ["what is 17.5% of 240?", "thanks"]
        assert marked(pilot) == ["good", "corrected"]
        await ask(pilot, "bye")
        assert asked_last(app) == ["what is 17.5% of 240?", "thanks", "bye"]
        await send(pilot, "/rewind 2")
        await until(pilot, lambda: texts(pilot, UserBlock) == ["what is 17.5% of 240?"])
        assert app.query_one(QuestionInput).text == "thanks"
        app.query_one(QuestionInput).clear()
        await ask(pilot, "and 18%?")
        assert asked_last(app) == ["what is 17.5% of 240?", "and 18%?"]
        await send(pilot, "/new")
        await until(pilot, lambda: not texts(pilot, UserBlock))
        await send(pilot, "/rewind 9")
        await until(pilot, lambda: "nothing was asked" in texts(pilot, NoteBlock)[-1])
    with SessionStore.open() as store:
        (session,) = store.list()
        assert session.exchanges == 4
        record = store.read(session.id)
        ends = [exchange for exchange in record.exchanges if record.leaf(exchange.id) == exchange.id]
        assert [exchange.question for exchange in ends] == ["bye", "and 18%?"]


async def test_the_screen_finds_renames_removes_and_resumes(tmp_path: Path) -> None:
    with SessionStore.open() as store:
        for question in ("plant a tree", "paint the fence"):
            writer = SessionWriter.begin(store, tmp_path, "umi-mini")
            writer.question(question, Conversation(Transcript()))
            writer.event(AnswerDelta("It is interrup"))
            store.process = lambda: ""  # as if killed: no process answers it
    app = app_on(CHAT, tmp_path)
    async with app.run_test(size=(120, 30)) as pilot:
        await ready(pilot)
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(app.screen, SessionsScreen))
        found = app.screen.query_one(OptionList)
        assert found.option_count == 2
        assert "paint the fence" in shown(app, "#text")
        await pilot.press("down")
        await until(pilot, lambda: "plant a tree" in shown(app, "#text"))
        await pilot.press("f2", "end", *"s!", "enter")
        await until(pilot, lambda: "plant a trees!" in str(found.get_option_at_index(1).prompt))
        await pilot.press(*"fence")
        await until(pilot, lambda: found.option_count == 1)
        await pilot.press("delete")
        await until(pilot, lambda: found.option_count == 0)
        assert "Nothing is found" in shown(app, "#text")
        await pilot.press("ctrl+z")
        await until(pilot, lambda: found.option_count == 1)
        await pilot.press("f2", "escape")
        assert app.screen.query_one(Input).value == "fence"
        await pilot.press("enter")
        await until(pilot, lambda: texts(pilot, UserBlock) == ["paint the fence"])
        assert any("Interrupted" in text for text in texts(pilot, NoteBlock))
        assert app.query_one(QuestionInput).text == "paint the fence"
        await pilot.press("enter")
        await until(pilot, lambda: texts(pilot, UserBlock) == ["paint the fence"] * 2)
        await ready(pilot)
        assert asked_last(app) == ["paint the fence"]
        await send(pilot, "/sessions trees")
        await until(pilot, lambda: isinstance(app.screen, SessionsScreen))
        assert app.screen.query_one(OptionList).option_count == 1
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, SessionsScreen))


async def test_a_database_that_cannot_be_used_is_one_line(tmp_path: Path, umi_home: Path) -> None:
    umi_home.mkdir()
    (umi_home / "sessions.db").write_bytes(b"\xff" * 5000)
    app = app_on(CHAT, tmp_path)
    async with app.run_test() as pilot:
        await ready(pilot)
        assert any("is damaged" in text and "move it away" in text for text in texts(pilot, NoteBlock))
        await ask(pilot, "hello")
        await send(pilot, "/sessions")
        await until(pilot, lambda: "sessions are not saved" in texts(pilot, NoteBlock)[-1])


def test_a_session_that_is_not_there_is_refused_before_the_screen_is_taken(umi_home: Path) -> None:
    AppSessions().check()
    assert not umi_home.exists()
    assert main(["--session", "ffff", "--continue"]) == 2
