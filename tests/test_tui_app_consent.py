"""The app's question about a call: what it shows, which keys answer it, and that typed text never allows."""

from __future__ import annotations

from pathlib import Path

import pytest
from app_pilot import app_of, asked, ready, send, texts, until
from attacks.typed_text import attack_app
from fakes import call, plan, scripted
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input, Static, TextArea

from tui.app.approval import approval_prompt
from tui.app.approval.approval_prompt import ApprovalPrompt
from tui.app.question_input import QuestionInput
from tui.app.status_line import StatusLine
from tui.app.transcript.blocks import NoteBlock, ObservationBlock
from tui.app.transcript.markdown_answer import AnswerBlock


def writing(content: str = "buy milk\n", times: int = 1) -> list[str]:
    once = [
        plan("I will use read_file for it.", "caller"),
        call("write_file", path="plan.txt", content=content),
        plan("That is done.", "summarizer"),
        "All right.",
    ]
    return once * times


def shown(pilot: Pilot[None]) -> str:
    """The text of the question."""
    return "\n".join(str(part.render()) for part in pilot.app.query("ApprovalPrompt Static").results(Static))


def written(tmp_path: Path) -> bool:
    return (tmp_path / "workspace" / "plan.txt").exists()


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers count soon after a question is drawn, so that the tests need not wait."""
    monkeypatch.setattr(approval_prompt, "ARMING_S", 0.02)


async def test_the_question_shows_everything(tmp_path: Path) -> None:
    content = "".join(f"line {n}\n" for n in range(80)) + "pay\u200bpal \u202egnp.exe\u00a0\x1b[2J\n"
    opened = scripted(writing(content), tmp_path)
    (tmp_path / "workspace" / "real.txt").write_text("one\nline 3\ntwo\n")
    (tmp_path / "workspace" / "plan.txt").symlink_to("real.txt")
    app = app_of(opened)
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "write a plan")
        await asked(pilot)
        text = shown(pilot)
        assert str((tmp_path / "workspace" / "real.txt").resolve()) in text.replace("\n", "")
        assert "replaces a file of 3 lines; 2 lines of it are lost" in text
        assert "-one" in text
        assert "I will use read_file for it." in text
        assert "the reason names read_file, but the call is write_file" in text
        assert "content (81 lines" in text
        assert "line 79" in text
        assert "pay\\u200bpal \\u202egnp.exe\\xa0\\x1b[2J" in text
        assert not set("\u200b\u202e\u00a0\x1b") & set(text)
        await pilot.press("pagedown", "pagedown")
        assert app.query_one("ApprovalPrompt VerticalScroll").scroll_offset.y > 0
        await pilot.press("escape")
        await ready(pilot)


async def test_letters_go_to_the_input_while_a_question_is_open(tmp_path: Path) -> None:
    app = app_of(scripted(writing(), tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "write a plan")
        await asked(pilot)
        await pilot.press(*"yes why", "enter", "y")
        assert app.query(ApprovalPrompt)
        assert app.query_one(QuestionInput).text == "yes whyy"
        await pilot.press("escape")
        await ready(pilot)
    assert not written(tmp_path)


async def test_a_thousand_random_texts_at_random_moments_never_allow(tmp_path: Path) -> None:
    result = await attack_app(tmp_path, 1000)
    assert result.count == 1000
    assert result.also["questions"] > 10
    assert result.holds, result.wrong


async def test_a_key_pressed_before_the_question_was_drawn_does_not_count(tmp_path: Path) -> None:
    app = app_of(scripted(writing(), tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        early = [events.Key("ctrl+g", None), events.Key("enter", None)]
        await send(pilot, "write a plan")
        prompt = await asked(pilot)
        app.post_message(early[0])
        await pilot.press("tab", "right")
        assert app.focused is prompt
        app.post_message(early[1])
        await pilot.pause(0.05)
        assert app.query(ApprovalPrompt)
        await pilot.press("escape")
        await ready(pilot)
    assert not written(tmp_path)


async def test_a_reason_for_refusing_goes_to_the_planner(tmp_path: Path) -> None:
    app = app_of(scripted(writing(), tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "write a plan")
        await asked(pilot)
        await pilot.press("tab", "left", "enter")
        await until(pilot, lambda: isinstance(app.focused, Input))
        await pilot.press(*"not here", "enter")
        await ready(pilot)
        assert texts(pilot, ObservationBlock) == ["the user refused this call: not here"]
        assert app.query_one(AnswerBlock).has_class("failed")
        assert "ended in an error" in texts(pilot, NoteBlock)[-1]
    assert not written(tmp_path)


async def test_arguments_are_edited_and_the_question_is_asked_again(tmp_path: Path) -> None:
    app = app_of(scripted(writing(), tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "write a plan")
        await asked(pilot)
        await pilot.press("tab", "left", "left", "enter")
        await until(
            pilot, lambda: isinstance(app.focused, TextArea) and app.focused is not app.query_one("#question")
        )
        await pilot.press("ctrl+g")
        assert app.query(ApprovalPrompt), "a call was allowed that is being edited"
        path = app.query("ArgumentEditor TextArea").first(TextArea)
        path.text = "../todo.txt"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "is outside the workspace" in shown(pilot))
        path.text = "todo.txt"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: not app.query("ArgumentEditor"))
        await asked(pilot)
        assert str(tmp_path / "workspace" / "todo.txt") in shown(pilot).replace("\n", "")
        await pilot.press("ctrl+g")
        await ready(pilot)
    assert (tmp_path / "workspace" / "todo.txt").read_text() == "buy milk\n"
    assert not written(tmp_path)


@pytest.mark.parametrize(("steps", "listed"), [(2, "until umi ends"), (3, "write_file, in /")])
async def test_what_is_allowed_in_advance_is_listed_and_taken_back(
    tmp_path: Path, steps: int, listed: str
) -> None:
    app = app_of(scripted(writing(times=3), tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "write a plan")
        await asked(pilot)
        await pilot.press("tab", *["right"] * steps, "enter")
        await until(pilot, lambda: len(texts(pilot, AnswerBlock)) == 1)
        await ready(pilot)
        await send(pilot, "write it again")
        await until(pilot, lambda: len(texts(pilot, AnswerBlock)) == 2)
        await ready(pilot)
        await send(pilot, "/allowed")
        await until(pilot, lambda: listed in texts(pilot, NoteBlock)[-1])
        await send(pilot, "/revoke write_file")
        await until(pilot, lambda: texts(pilot, NoteBlock)[-1] == "Taken back: 1.")
        await send(pilot, "write it once more")
        await asked(pilot)
        await pilot.press("escape")
        await ready(pilot)


async def test_the_modes_are_switched_while_running_and_shown(tmp_path: Path) -> None:
    app = app_of(scripted(writing(times=2), tmp_path))

    def line() -> str:
        return app.query_one(StatusLine).render().plain

    async with app.run_test() as pilot:
        await ready(pilot)
        assert "● ready  ask" in line()
        await pilot.press("shift+tab")
        assert "● ready  read-only" in line()
        await send(pilot, "write a plan")
        await until(pilot, lambda: len(texts(pilot, AnswerBlock)) == 1)
        await ready(pilot)
        assert "read-only mode" in texts(pilot, ObservationBlock)[0]
        assert not written(tmp_path)
        await pilot.press("shift+tab")
        assert "● ready  auto" in line()
        await send(pilot, "write a plan")
        await until(pilot, lambda: len(texts(pilot, AnswerBlock)) == 2)
        await ready(pilot)
        assert written(tmp_path)
        await pilot.press("shift+tab")
        assert "● ready  ask" in line()


async def test_no_typed_command_switches_the_mode(tmp_path: Path) -> None:
    app = app_of(scripted([], tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        for text in ("/mode auto", "/auto", "/mode"):
            await send(pilot, text)
            await pilot.pause()
        assert app.query_one(StatusLine).mode == "ask"
        assert "Shift+Tab" in texts(pilot, NoteBlock)[-1]


async def test_a_doubt_is_asked_about_and_the_call_may_be_made(tmp_path: Path) -> None:
    script = [plan("", "caller"), call("calculate", expression="12+30"), plan("", "summarizer"), "It is 42."]
    app = app_of(scripted(script, tmp_path, check=lambda transcript, made, margin: "Did you mean 12 + 30?"))
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "12 and 30?")
        prompt = await asked(pilot)
        assert prompt.border_title == "Did you mean calculate?"
        assert "Did you mean 12 + 30?" in shown(pilot)
        assert "always in this folder" not in shown(pilot)
        await pilot.press("ctrl+g")
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["It is 42."])
        await ready(pilot)
