"""The loop with its checks: doubts about calls, answers that nothing supports, turns that were cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import ANY

import pytest

from agent.checks.calls.call_check import CallCheck
from agent.checks.refusals import named_failure
from agent.consent import Allow, Deny, Request
from agent.engine import Choice, Delta, Generated, ScriptedEngine
from agent.events import AnswerDelta, CallProposed, Event, Finished, Observation, Reading, Thought
from agent.loop import LOOPED, Agent
from agent.setup import make_toolbox
from agent.transcript import Call, Role, Transcript
from agent.turn import REPEATED, TOO_LONG

CALL = "I will use calculate.\nNext: caller"
DONE = "I have it.\nNext: summarizer"
CUT = "…"


class CuttingEngine(ScriptedEngine):
    """A scripted engine whose turns that end with an ellipsis were cut at their length."""

    def generate(
        self,
        role: Role,
        transcript: Transcript,
        *,
        cancelled: Callable[[], bool],
        instead_of: Choice | None = None,
        brief: bool = False,
    ) -> Iterator[Reading | Delta | Generated]:
        for event in super().generate(role, transcript, cancelled=cancelled, brief=brief):
            if isinstance(event, Generated) and event.text.endswith(CUT):
                event = replace(event, stop="length")
            yield event


def run(
    tmp_path: Path, script: list[str], question: str, approve: Callable[[Request], Allow | Deny | None]
) -> tuple[list[Event], Finished]:
    engine = CuttingEngine(script, grounded_answers=True)
    agent = Agent(engine, make_toolbox(tmp_path), check=CallCheck())
    events = list(agent.run(agent.begin(), question, approve=approve))
    last = events[-1]
    assert isinstance(last, Finished)
    assert len(engine.seen) == len(script)
    return events, last


def permit(request: Request) -> Allow | None:
    return request.allow() if request.kind == "permission" else None


def calculate(expression: str) -> str:
    return Call("calculate", {"expression": expression}).line()


def test_a_doubtful_call_is_not_made_without_a_person(tmp_path: Path) -> None:
    events, last = run(tmp_path, [CALL, calculate("12 - 30")], "what is 12 plus 30?", permit)
    assert last.reason == "unsure"
    assert "names +" in last.answer
    assert "12 - 30" in last.answer
    assert not any(isinstance(event, Observation) for event in events)


def test_a_person_may_mend_a_doubtful_call(tmp_path: Path) -> None:
    asked: list[str] = []

    def mend(request: Request) -> Allow:
        asked.append(request.doubt)
        mended = request.revised(Call("calculate", {"expression": "12 + 30"}))
        assert mended.doubt == ""
        return mended.allow()

    script = [CALL, calculate("12 - 30"), DONE, "12 + 30 = 42"]
    events, last = run(tmp_path, script, "what is 12 plus 30?", mend)
    assert len(asked) == 1
    assert (last.reason, last.answer) == ("answered", "12 + 30 = 42")
    made = [event.arguments["expression"] for event in events if isinstance(event, CallProposed)]
    assert made == ["12 - 30", "12 + 30"]


def test_what_the_tool_said_takes_the_place_of_an_unsupported_answer(tmp_path: Path) -> None:
    (tmp_path / "ünï.txt").write_text("hello")
    script = [
        "I will use list_files.\nNext: caller",
        Call("list_files", {}).line(),
        DONE,
        "There is öná.txt.",
    ]
    events, last = run(tmp_path, script, "what is here?", permit)
    assert (last.reason, last.answer) == ("answered", "list_files says: ünï.txt")
    assert "".join(event.text for event in events if isinstance(event, AnswerDelta)) == last.answer


def test_a_call_that_was_cut_is_tried_once_more(tmp_path: Path) -> None:
    script = [CALL, '{"name":"calculate","arg' + CUT, CALL, calculate("12 + 30"), DONE, "It is 42."]
    _, last = run(tmp_path, script, "12 + 30", permit)
    assert (last.reason, last.answer) == ("answered", "It is 42.")


def test_a_turn_that_is_cut_again_ends_with_what_is_known(tmp_path: Path) -> None:
    cut = '{"name":"calculate","arg' + CUT
    _, last = run(tmp_path, [CALL, calculate("12 + 30"), CALL, cut, CALL, cut], "12 + 30", permit)
    assert last.reason == "failed"
    assert last.answer == f"{TOO_LONG[0].upper()}{TOO_LONG[1:]}.\ncalculate says:\n42"


@pytest.mark.parametrize("astray", ["I think" + CUT, f"It{' cannot be read and' * 9}\nNext: give up"])
def test_a_thought_that_was_cut_or_loops_is_made_once_more_and_short(tmp_path: Path, astray: str) -> None:
    engine = CuttingEngine([CALL, calculate("12 + 30"), astray, DONE, "It is 42."])
    agent = Agent(engine, make_toolbox(tmp_path))
    events = list(agent.run(agent.begin(), "12 + 30", approve=permit))
    assert events[-1] == Finished("answered", "It is 42.", ANY)
    assert engine.briefly == [False, False, False, True, False]
    assert [event.text for event in events if isinstance(event, Thought)][1:] == ["I have it."]
    assert astray not in str(engine.seen[-1])


def test_a_thought_and_an_answer_that_were_cut_end_with_what_is_known(tmp_path: Path) -> None:
    _, last = run(tmp_path, [CALL, calculate("12 + 30"), "I think" + CUT, "I" + CUT], "12 + 30", permit)
    assert last.reason == "failed"
    assert last.answer.endswith("calculate says:\n42")
    _, last = run(tmp_path, [CALL, calculate("12 + 30"), DONE, "It is" + CUT], "12 + 30", permit)
    assert last.reason == "answered"
    assert last.answer == f"It is{CUT}\nFor expression 12 + 30, calculate says: 42"


def test_an_answer_that_leaves_nothing_to_show_has_failed(tmp_path: Path) -> None:
    events, last = run(tmp_path, ["Small talk.\nNext: summarizer", calculate("12 + 30")], "hello", permit)
    assert (last.reason, last.answer) == ("failed", "There is no answer: it holds a call.")
    assert not any(isinstance(event, AnswerDelta) for event in events)


@pytest.mark.parametrize(
    ("question", "thought", "kept"),
    [
        ("what is my  IP address", "I cannot help with banking and payments: no tool does that.", False),
        ("send a mail to Bo", "I cannot help with sending email: no tool does that.", True),
        ("delete a.txt", "I cannot help with deleting or moving files.", True),
        ("order flowers", "Nobody told me how.", False),
        ("order flowers", "No tool on offer can order flowers.", True),
        ("mail my boss, tell her I'm ill", "I cannot tell you're ill: no tool on offer does that.", False),
        ("mail my boss, tell her I'm ill", "I cannot mail your boss: no tool on offer does that.", True),
        ("I'm cold, turn up the heating", "I cannot turn up the heating.", True),
        ("okay, small thing: order some coffee", "I cannot order some coffee.", True),
        ("where am i? show me on a map", "I cannot show you on a map.", True),
        ("save a note: tyres changed", "It is rambled, not saved: no tool on offer can do that.", False),
        ("save a note: tyres changed", "The note is not saved: no tool on offer can do that.", True),
        ("convert 40 for me", "From which unit?", True),
        ("24 / 7", "I cannot do that.", False),
    ],
)
def test_a_refusal_names_what_was_asked(tmp_path: Path, question: str, thought: str, kept: bool) -> None:
    events, last = run(tmp_path, [f"{thought}\nNext: give up"], question, permit)
    assert last.reason == "gave_up"
    asked = " ".join(question.split())
    assert last.answer == (thought if kept else f"I found no tool on offer for this: {asked}")
    assert [event.text for event in events if isinstance(event, Thought)] == [last.answer]


@pytest.mark.parametrize(
    ("thought", "kept"),
    [
        ("I cannot help with banking.", False),
        ("I cannot divide by zero.", True),
        ("I cannot work out 1 / 0.", False),
        ("That has no result.", True),
    ],
)
def test_the_reason_of_giving_up_after_a_call_names_no_other_topic(
    tmp_path: Path, thought: str, kept: bool
) -> None:
    script = [CALL, calculate("1 / 0"), f"{thought}\nNext: give up"]
    events, last = run(tmp_path, script, "what is 1 / 0", permit)
    errors = [event.content for event in events if isinstance(event, Observation)]
    assert (last.reason, last.answer) == ("failed", thought if kept else errors[0])


@pytest.mark.parametrize(
    ("thought", "kept"),
    [
        ("a.txt was not written: umi is in read-only mode, in which nothing is changed.", True),
        ("The key is in read-only mode, in which nothing is changed.", False),
        ("I work locally for a table in which nothing is changed.", False),
        ("I could not save it: nothing is changed here.", True),
    ],
)
def test_the_end_of_an_error_is_not_told_behind_other_words(thought: str, kept: bool) -> None:
    error = "umi is in read-only mode, in which nothing is changed"
    assert named_failure(thought, "save the key", error) == (thought if kept else error)


BACK = "I will move 2026-10-15 by -90 days with add_days.\nNext: caller"
FORTH = "I will move 2026-10-15 by 90 days with add_days.\nNext: caller"
CHOICES = (Choice((1, 2), 3, 0.5), Choice((1,), 2, 0.2))


def move(days: int) -> str:
    return Call("add_days", {"date": "2026-10-15", "days": days}).line()


def reconsider(tmp_path: Path, script: list[str], question: str) -> tuple[ScriptedEngine, list[Event]]:
    engine = ScriptedEngine(script, choices=CHOICES)
    agent = Agent(engine, make_toolbox(tmp_path), check=CallCheck())
    return engine, list(agent.run(agent.begin(), question))


def test_the_models_next_choice_takes_the_place_of_a_doubtful_call(tmp_path: Path) -> None:
    script = [FORTH, move(90), BACK, move(-90), DONE, "That is 2026-07-17."]
    engine, events = reconsider(tmp_path, script, "ninety days before 2026-10-15?")
    assert engine.reconsidered == [None, None, CHOICES[1], None, None, None]
    assert [event.text for event in events if isinstance(event, Thought)] == [
        FORTH.split("\n")[0],
        BACK.split("\n")[0],
        "I have it.",
    ]
    assert [event.content for event in events if isinstance(event, Observation)] == ["2026-07-17 Friday"]
    assert events[-1] == Finished("answered", "That is 2026-07-17.", ANY)


@pytest.mark.parametrize(
    ("question", "first", "others"),
    [
        ("ninety days before 2026-10-15?", [FORTH, move(90)], [FORTH, move(80), move(70), FORTH, move(60)]),
        (
            "ninety days before 2026-10-15?",
            [FORTH, move(90)],
            [CALL, Call("current_time", {}).line(), move(60), CALL, Call("system_info", {}).line()],
        ),
        ("what is 12 plus 30?", [CALL, calculate("12 - 30")], []),
    ],
)
def test_a_call_stays_in_doubt_where_no_other_choice_helps(
    tmp_path: Path, question: str, first: list[str], others: list[str]
) -> None:
    """No other tool is called in its place, and an expression is not reconsidered."""
    engine, events = reconsider(tmp_path, [*first, *others], question)
    assert len(engine.seen) == len(first) + len(others)
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "unsure"


def test_a_repeated_call_is_reconsidered(tmp_path: Path) -> None:
    find = Call("find_files", {"name": "menu"}).line()
    look = "I will look for it.\nNext: caller"
    script = [look, find, look, find, "I will list the files.\nNext: caller", Call("list_files", {}).line()]
    engine, events = reconsider(tmp_path, [*script, DONE, "No file."], "where is the menu?")
    assert [event.name for event in events if isinstance(event, Observation)] == ["find_files", "list_files"]
    assert engine.reconsidered[4] == CHOICES[1]


def test_a_turn_ends_where_the_same_calls_are_proposed_again_and_again(tmp_path: Path) -> None:
    find = Call("find_files", {"name": "menu"}).line()
    script = ["I will look for it.\nNext: caller", find] * 3
    agent = Agent(ScriptedEngine(script), make_toolbox(tmp_path))
    last = list(agent.run(agent.begin(), "where is the menu?"))[-1]
    assert isinstance(last, Finished)
    assert last.reason == "failed"
    assert last.answer.startswith(REPEATED.capitalize())
    assert "no file name contains 'menu'" in last.answer


def test_an_answer_that_loops_is_stopped(tmp_path: Path) -> None:
    engine = ScriptedEngine(["Hello.\nNext: summarizer", "you are welcome " * 400], grounded_answers=True)
    agent = Agent(engine, make_toolbox(tmp_path), check=CallCheck())
    last = list(agent.run(agent.begin(), "hello"))[-1]
    assert isinstance(last, Finished)
    assert last.reason == "failed"
    assert "over and over" in last.answer
    assert last.stats["summarizer"].generated < 100


def test_a_refusal_that_loops_is_no_refusal(tmp_path: Path) -> None:
    engine = ScriptedEngine([f"It cannot be read{': cannot be read' * 9}\nNext: give up"] * 2)
    agent = Agent(engine, make_toolbox(tmp_path))
    last = list(agent.run(agent.begin(), "read it"))[-1]
    assert last == Finished("failed", f"{LOOPED.capitalize()}.", ANY)
