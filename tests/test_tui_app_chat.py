"""The chat: questions that wait, that are given back, changed and asked again; completion, files, copying."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from app_pilot import app_of, ready, send, state, texts, until
from fakes import call, plan, scripted
from textual import events
from textual.widgets import Static

from agent.engine import ScriptedEngine
from agent.transcript import CallerTurn, PlannerTurn, ToolTurn, UserTurn
from tui.app.app import UmiApp
from tui.app.chat.attached_files import LONG_LINES, question_of
from tui.app.chat.completion import CompletionList, completions
from tui.app.chat.history import QuestionHistory, history_path
from tui.app.chat.queue import QueuedQuestions
from tui.app.chat.welcome import WelcomeBlock
from tui.app.commands import COMMANDS
from tui.app.question_input import QuestionInput
from tui.app.screens.context import ContextScreen
from tui.app.screens.times import TimesScreen
from tui.app.screens.tools import ToolsScreen
from tui.app.transcript.blocks import NoteBlock, ObservationBlock, UserBlock
from tui.app.transcript.markdown_answer import AnswerBlock
from tui.app.transcript.transcript_view import LEAST_MOUNTED, TranscriptView


def said(*answers: str) -> list[str]:
    return [text for answer in answers for text in (plan("", "summarizer"), answer)]


def questions_seen(app: UmiApp) -> list[str]:
    """The questions that the models saw when they generated last."""
    assert app.opened
    engine = app.opened.agent.engine
    assert isinstance(engine, ScriptedEngine)
    return [turn.content for turn in engine.seen[-1][1].turns if isinstance(turn, UserTurn)]


async def test_questions_wait_are_taken_back_and_given_back_at_escape(tmp_path: Path) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def hold(_role: str) -> None:
        reached.set()
        assert go_on.wait(10)

    app = app_of(scripted([plan("I wait.", "caller"), *said("One.", "Two.")], tmp_path, on_generate=hold))
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "first")
        await until(pilot, reached.is_set)
        for text in ("second", "third", "fourth"):
            await send(pilot, text)
        queue, question = app.query_one(QueuedQuestions), app.query_one(QuestionInput)
        await until(pilot, lambda: queue.questions == ["second", "third", "fourth"])
        await pilot.press("up")
        await until(pilot, lambda: question.text == "fourth")
        question.put("")
        await pilot.press("escape")
        assert question.text == "first", "the question is not given back"
        question.put("")
        go_on.set()
        await ready(pilot)
        assert queue.paused
        assert texts(pilot, UserBlock) == ["first"], "a question was asked after a stop"
        await pilot.press("enter")
        await until(pilot, lambda: len(texts(pilot, AnswerBlock)) == 2)
        await ready(pilot)
        assert texts(pilot, UserBlock) == ["first", "second", "third"]
        assert not queue.display


async def test_an_earlier_question_is_changed_and_the_old_branch_is_kept(tmp_path: Path) -> None:
    app = app_of(scripted(said("One.", "Two.", "Other.", "Again."), tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        for number, text in enumerate(("first", "second"), 1):
            await send(pilot, text)
            await until(pilot, lambda number=number: len(texts(pilot, AnswerBlock)) == number)
            await ready(pilot)
        await pilot.press("ctrl+t", "up", "up", "up", "c")
        assert app.clipboard == "first"
        await pilot.press("down", "e")
        question = app.query_one(QuestionInput)
        await until(pilot, lambda: question.text == "first")
        question.put("changed")
        await pilot.press("enter")
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["Other."])
        await ready(pilot)
        assert texts(pilot, UserBlock) == ["changed"]
        assert questions_seen(app) == ["changed"]
        assert "version 2 of 2" in str(app.query_one(UserBlock).render())
        await pilot.press("ctrl+t", "up", "left")
        await until(pilot, lambda: texts(pilot, UserBlock) == ["first", "second"])
        assert texts(pilot, AnswerBlock) == ["One.", "Two."]
        await pilot.press("ctrl+r")
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["One.", "Again."])
        await ready(pilot)
        assert questions_seen(app) == ["first", "second"]


async def test_a_file_behind_at_is_completed_and_read_as_an_observation(tmp_path: Path) -> None:
    opened = scripted(said("It has a title."), tmp_path)
    (tmp_path / "workspace" / "notes.md").write_text("# Title\n" + "line\n" * 400)
    app = app_of(opened)
    async with app.run_test() as pilot:
        await ready(pilot)
        question = app.query_one(QuestionInput)
        question.insert("sum up @no")
        await until(pilot, lambda: app.query_one(CompletionList).display)
        await pilot.press("enter")
        assert question.text == "sum up @notes.md "
        await pilot.press("enter")
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["It has a title."])
        await ready(pilot)
        assert (
            "lines left out" in texts(pilot, ObservationBlock)[0]
            or "more lines" in texts(pilot, ObservationBlock)[0]
        )
        engine = opened.agent.engine
        assert isinstance(engine, ScriptedEngine)
        turns = engine.seen[0][1].turns
        assert turns[0] == UserTurn("sum up notes.md")
        assert [type(turn) for turn in turns[1:]] == [PlannerTurn, CallerTurn, ToolTurn]
        await send(pilot, "sum up @missing.md")
        await pilot.pause()
        assert texts(pilot, UserBlock) == ["sum up @notes.md"]
        assert question.text == "sum up @missing.md"


async def test_enter_takes_what_was_typed_not_what_the_list_showed_before(tmp_path: Path) -> None:
    app = app_of(scripted([], tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        question = app.query_one(QuestionInput)
        await pilot.press("/")
        assert app.query_one(CompletionList).is_open
        question.insert("tools")  # the list hears of it only after this test gives way
        await question._on_key(events.Key("enter", "\r"))
        await until(pilot, lambda: isinstance(app.screen, ToolsScreen))
        assert question.text == ""


async def test_a_long_paste_is_attached(tmp_path: Path) -> None:
    app = app_of(scripted(said("Read."), tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        question = app.query_one(QuestionInput)
        app.post_message(events.Paste("short"))
        await until(pilot, lambda: question.text == "short")
        app.post_message(events.Paste("pasted line\n" * (LONG_LINES + 1)))
        await until(pilot, lambda: question.text.startswith("short @pasted-"))
        assert "pasted line" not in question.text
        await pilot.press("enter")
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["Read."])
        assert "pasted line" in texts(pilot, ObservationBlock)[0]
        await ready(pilot)


def test_words_behind_at_that_are_no_files(tmp_path: Path) -> None:
    toolbox = scripted([], tmp_path).agent.toolbox
    (tmp_path / "workspace" / "a b.txt").write_text("x")
    (tmp_path / "workspace" / "c.txt").write_text("y")
    assert question_of("mail a@b.de and @home", toolbox).attachments == ()
    question = question_of('compare @"a b.txt" with @c.txt, and @c.txt.', toolbox)
    assert question.text == "compare a b.txt with c.txt, and c.txt."
    assert [attachment.content for attachment in question.attachments] == ["x", "y"]


@pytest.mark.parametrize(
    ("before", "found"),
    [
        ("/und", ["/undo"]),
        ("/exi", ["/quit"]),
        ("read @doc", ["@docs/a.md", "@src/doc.py"]),
        ("read @nothing", []),
        ("mail a@doc", []),
        ("hello /und", []),
    ],
)
def test_what_is_completed(before: str, found: list[str]) -> None:
    files = ["src/doc.py", "docs/a.md", "readme.txt"]
    assert [one.text for one in completions(before, COMMANDS, lambda: files)[1]] == found


def test_the_history_outlives_the_program_and_a_cut_line() -> None:
    history = QuestionHistory()
    history.load()
    for text in ("one", "two\nlines", "two\nlines"):
        history.add(text)
    with history_path().open("a") as file:
        file.write('"cut')
    again = QuestionHistory()
    again.load()
    assert again.questions == ["one", "two\nlines"]
    assert history_path().stat().st_mode & 0o77 == 0


async def test_what_was_left_out_of_a_full_context_is_named(tmp_path: Path) -> None:
    app = app_of(scripted(said(" ".join(map(str, range(1000, 1200))), "Yes."), tmp_path, context_length=480))
    async with app.run_test(size=(100, 40)) as pilot:
        await ready(pilot)
        for number, question in enumerate(("tell me", "word " * 60), start=1):
            await send(pilot, question)
            await until(pilot, lambda number=number: len(texts(pilot, AnswerBlock)) == number)
            await ready(pilot)
        await until(
            pilot, lambda: any("1 earlier question (“tell me”)" in text for text in texts(pilot, NoteBlock))
        )
        await pilot.press("f8")
        await until(pilot, lambda: isinstance(app.screen, ContextScreen))
        left_out, _, seen = str(app.screen.query_one(Static).render()).partition(
            "Questions that the models see"
        )
        assert "tell me" in left_out
        assert "tell me" not in seen
        assert "word word" in seen
        await pilot.press("f8")
        await until(pilot, lambda: not isinstance(app.screen, ContextScreen))


async def test_a_long_conversation_is_mounted_from_its_end(tmp_path: Path) -> None:
    app = app_of(scripted([], tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        view = app.query_one(TranscriptView)
        await view.open([UserBlock(f"question {number}") for number in range(1000)])
        assert len(view.blocks) == LEAST_MOUNTED
        assert view.blocks[-1].text == "question 999"
        await until(pilot, lambda: view.scroll_y > 0)
        for _ in range(3):
            view.scroll_home(animate=False)
            await pilot.pause(0.05)
        await until(pilot, lambda: len(view.blocks) > LEAST_MOUNTED)
        numbers = [int(block.text.split()[1]) for block in view.blocks]
        assert numbers == list(range(numbers[0], 1000))


async def test_the_start_screen_fits_and_offers_an_example(tmp_path: Path) -> None:
    app = app_of(scripted(said("Hello."), tmp_path))
    async with app.run_test(size=(60, 20)) as pilot:
        await ready(pilot)
        welcome = app.query_one(WelcomeBlock)
        await pilot.pause()
        assert "umi-mini" in welcome.text
        assert app.query_one(TranscriptView).max_scroll_y == 0, "it does not fit"
        question = app.query_one(QuestionInput)
        await pilot.press("tab")
        assert question.text == welcome.examples[0]
        await pilot.press("tab")
        assert question.text == welcome.examples[1]
        await pilot.press("enter")
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["Hello."])
        await ready(pilot)
        assert not app.query(WelcomeBlock)
        await pilot.press("f4")
        await until(pilot, lambda: isinstance(app.screen, TimesScreen))
        await pilot.press("escape")


async def test_a_result_that_the_answer_repeats_is_shown_once(tmp_path: Path) -> None:
    script = [plan("I will look.", "caller"), call("calculate", expression="6*7"), *said("42")]
    app = app_of(scripted(script, tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "what is 6*7?")
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["42"])
        await until(pilot, lambda: "in the answer below" in texts(pilot, ObservationBlock)[0])
        await pilot.press("ctrl+o")
        assert texts(pilot, ObservationBlock) == ["42"]
        assert state(pilot) == "ready"


async def test_what_nothing_supports_is_told_below_the_answer(tmp_path: Path) -> None:
    script = [plan("I will look.", "caller"), call("calculate", expression="6*7"), *said("It is **43**.")]
    app = app_of(scripted(script, tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "what is 6*7?")
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["It is **43**."])
        await ready(pilot)
        note = app.query(NoteBlock).last()
        assert note.text.startswith("This answer is not supported: 43 stands nowhere")
        assert note.text.endswith("calculate says: 42")
        assert note.has_class("error")
