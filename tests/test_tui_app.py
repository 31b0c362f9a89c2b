"""The app, driven as a user drives it, on scripted models."""

from __future__ import annotations

import threading
from pathlib import Path

from app_pilot import app_of, ready, send, state, texts, until
from fakes import calculation, call, plan, scripted
from textual.widgets import Markdown

from agent.engine import ScriptedEngine
from agent.errors import BundleError
from agent.transcript import Call, UserTurn
from tui.app.app import UmiApp
from tui.app.question_input import QuestionInput
from tui.app.status_line import StatusLine
from tui.app.transcript.blocks import (
    CallBlock,
    NoteBlock,
    ObservationBlock,
    PlainAnswerBlock,
    ThoughtBlock,
    UserBlock,
)
from tui.app.transcript.markdown_answer import AnswerBlock
from tui.setup import LoadedAgent


async def test_a_turn_shows_a_block_for_each_event(tmp_path: Path) -> None:
    app = app_of(scripted(calculation("It is **42**.\n\n```\n17.5 % of 240\n```"), tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "what is 17.5% of 240?")
        await until(pilot, lambda: bool(texts(pilot, AnswerBlock)))
        await ready(pilot)
        assert texts(pilot, UserBlock) == ["what is 17.5% of 240?"]
        assert texts(pilot, ThoughtBlock) == ["· I need to calculate this.", "· I know the result."]
        assert texts(pilot, CallBlock) == ['▸ calculate  expression="17.5/100*240"']
        assert texts(pilot, ObservationBlock) == ["42"]
        assert texts(pilot, AnswerBlock) == ["It is **42**.\n\n```\n17.5 % of 240\n```"]
        assert app.query_one(AnswerBlock).source == "It is **42**.\n\n```\n17.5 % of 240\n```"
        order = [type(block).__name__ for block in app.query_one("#transcript").children]
        assert order[-6:] == [
            "UserBlock",
            "ThoughtBlock",
            "CallBlock",
            "ObservationBlock",
            "ThoughtBlock",
            "AnswerBlock",
        ]
        assert app.query_one(QuestionInput).text == ""


async def test_a_grounded_answer_is_shown_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "notes.md").write_text("# Heading\n- one\n- *two*")
    answer = "notes.md says:\n# Heading\n- one\n- *two*"
    reading = Call("read_file", {"path": "notes.md"}).line()
    script = ["I will use read_file.\nNext: caller", reading, "I have it.\nNext: summarizer", answer]
    loaded = scripted(script, tmp_path)
    assert isinstance(loaded.agent.engine, ScriptedEngine)
    loaded.agent.engine.grounded_answers = True
    app = app_of(loaded)
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "read notes.md")
        await until(pilot, lambda: bool(texts(pilot, PlainAnswerBlock)))
        await ready(pilot)
        block = app.query_one(PlainAnswerBlock)
        assert block.text == answer
        assert block.content_size.height == 4
        assert not app.query(Markdown)


async def test_a_failed_load_is_shown_in_the_app() -> None:
    def broken() -> LoadedAgent:
        raise BundleError("the file caller.gguf is damaged", "run `umi models verify`")

    app = UmiApp(broken)
    async with app.run_test() as pilot:
        await until(pilot, lambda: state(pilot) == "no models")
        assert texts(pilot, NoteBlock)[-1] == "umi: the file caller.gguf is damaged; run `umi models verify`"
        await send(pilot, "hello?")
        await pilot.pause()
        assert not app.query(UserBlock)
        assert app.query_one(QuestionInput).text == "hello?"


async def test_questions_wait_while_the_models_load(tmp_path: Path) -> None:
    go_on = threading.Event()

    def slow() -> LoadedAgent:
        assert go_on.wait(10)
        return scripted([plan("", "summarizer"), "Hello."], tmp_path)

    app = UmiApp(slow)
    async with app.run_test() as pilot:
        await pilot.pause()
        assert state(pilot) == "loading models…"
        await send(pilot, "hello")
        await pilot.pause()
        assert not app.query(UserBlock)
        go_on.set()
        await ready(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["Hello."])
        await ready(pilot)


async def test_new_forgets_the_conversation(tmp_path: Path) -> None:
    opened = scripted([plan("", "summarizer"), "One.", plan("", "summarizer"), "Two."], tmp_path)
    app = app_of(opened)
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "first")
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["One."])
        await ready(pilot)
        await send(pilot, "/new")
        await until(pilot, lambda: not app.query(UserBlock))
        await send(pilot, "second")
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["Two."])
        await ready(pilot)
    engine = opened.agent.engine
    assert isinstance(engine, ScriptedEngine)
    assert [turn for turn in engine.seen[2][1].turns if isinstance(turn, UserTurn)] == [UserTurn("second")]


async def test_giving_up_shows_the_thought_as_the_answer_once(tmp_path: Path) -> None:
    app = app_of(scripted([plan("No tool here can send mail.", "give up")], tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "send a mail")
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["No tool here can send mail."])
        assert app.query_one(AnswerBlock).has_class("gave-up")
        assert not app.query(ThoughtBlock)


async def test_a_question_that_does_not_fit_is_reported_and_the_input_stays_usable(tmp_path: Path) -> None:
    script = [plan("", "summarizer"), "Hello."]
    app = app_of(scripted(script, tmp_path, context_length=900))
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "word " * 1000)
        await until(pilot, lambda: "the models hold" in texts(pilot, NoteBlock)[-1])
        await ready(pilot)
        await send(pilot, "hello")
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["Hello."])


async def test_a_long_result_is_folded_until_ctrl_o(tmp_path: Path) -> None:
    script = [
        plan("I need to read it.", "caller"),
        call("read_file", path="long.txt"),
        plan("", "summarizer"),
        "Read.",
    ]
    opened = scripted(script, tmp_path)
    (tmp_path / "workspace" / "long.txt").write_text("".join(f"line {i}\n" for i in range(40)))
    app = app_of(opened)
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "read long.txt")
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["Read."])
        assert "line 39" not in texts(pilot, ObservationBlock)[0]
        await pilot.press("ctrl+o")
        assert "line 39" in texts(pilot, ObservationBlock)[0]
        await pilot.press("ctrl+o")
        assert "line 39" not in texts(pilot, ObservationBlock)[0]


async def test_copy_takes_the_last_answer(tmp_path: Path) -> None:
    app = app_of(scripted([plan("", "summarizer"), "Copy me."], tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "/copy")
        assert app.clipboard == ""
        await send(pilot, "hello")
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["Copy me."])
        await ready(pilot)
        await send(pilot, "/copy")
        assert app.clipboard == "Copy me."


async def test_commands_are_found_in_any_case_and_the_nearest_is_named(tmp_path: Path) -> None:
    app = app_of(scripted([], tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "/nwe now")
        await until(
            pilot, lambda: texts(pilot, NoteBlock)[-1] == "there is no command /nwe; did you mean /new?"
        )
        await send(pilot, "/MODE")
        await until(pilot, lambda: "Shift+Tab" in texts(pilot, NoteBlock)[-1])
        assert not app.query(UserBlock)
        await send(pilot, "/Quit")
        await until(pilot, lambda: not app.is_running)


async def test_the_input_takes_pasted_lines_and_has_a_history(tmp_path: Path) -> None:
    script = [plan("", "summarizer"), "One.", plan("", "summarizer"), "Two."]
    app = app_of(scripted(script, tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        question = app.query_one(QuestionInput)
        for number, text in enumerate(("first\nwith two lines", "second"), 1):
            await send(pilot, text)
            await until(pilot, lambda number=number: len(texts(pilot, AnswerBlock)) == number)
            await ready(pilot)
        assert texts(pilot, UserBlock) == ["first\nwith two lines", "second"]
        question.insert("draft")
        await pilot.press("up")
        assert question.text == "second"
        await pilot.press("up")
        assert question.text == "first\nwith two lines"
        await pilot.press("down", "down")
        assert question.text == "draft"


async def test_markup_and_escape_codes_of_tools_are_shown_as_text(tmp_path: Path) -> None:
    script = [
        plan("[b]bold[/b] \x1b[31m", "caller"),
        call("read_file", path="trap.txt"),
        plan("", "summarizer"),
        "x",
    ]
    opened = scripted(script, tmp_path)
    (tmp_path / "workspace" / "trap.txt").write_text("[red]hi[/red] \x1b]0;title\x07 \u202eback")
    app = app_of(opened)
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "[link=x]read[/link] it")
        await until(pilot, lambda: bool(texts(pilot, AnswerBlock)))
        await ready(pilot)
        assert texts(pilot, UserBlock) == ["[link=x]read[/link] it"]
        assert texts(pilot, ThoughtBlock)[0] == "· [b]bold[/b] \\x1b[31m"
        assert "[red]hi[/red]" in texts(pilot, ObservationBlock)[0]
        assert "\x1b" not in texts(pilot, ObservationBlock)[0]
        assert "\u202e" not in texts(pilot, ObservationBlock)[0]


async def test_the_status_line_names_the_models_as_far_as_the_width_allows(tmp_path: Path) -> None:
    app = app_of(scripted([], tmp_path))
    async with app.run_test(size=(120, 30)) as pilot:
        await ready(pilot)
        await pilot.pause()
        line = app.query_one(StatusLine).render().plain
        assert "umi-mini: planner.gguf 5.1 MB  caller.gguf 5.2 MB  summarizer.gguf 5.3 MB" in line
        await pilot.resize_terminal(60, 30)
        await pilot.pause()
        line = app.query_one(StatusLine).render().plain
        assert line.endswith("umi-mini: 3 models 15.6 MB")
        assert line.startswith("● ready")


async def test_a_question_may_begin_with_a_path(tmp_path: Path) -> None:
    app = app_of(scripted([plan("", "summarizer"), "Hello."], tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "/etc/hosts is what?")
        await until(pilot, lambda: texts(pilot, UserBlock) == ["/etc/hosts is what?"])
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["Hello."])
