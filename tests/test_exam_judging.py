"""Tasks on scripted models: right turns however they are worded, wrong ones, and the figures of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from exam_turns import DIALOGUE, MULTIPLY, PRODUCT, answered, run, task
from fakes import call, plan

from agent.engine import ScriptedEngine
from agent.evaluation.exam.report import figures
from agent.evaluation.exam.running import AgentRespondent, run_task
from agent.evaluation.exam.schema import Exchange, FileCheck, Task, World
from agent.transcript import UserTurn
from agent.transcript.validation import InvalidFieldsError, validate


def problems(case: Task, *script: str) -> list[str]:
    return [problem for turn in run(case, *script).turns for problem in turn.problems]


@pytest.mark.parametrize("answer", ["408", "That makes 408 bottles.", "17 * 24 = **408**", "It's 408.0"])
def test_a_right_answer_may_be_worded_in_any_way(answer: str) -> None:
    assert run(task(PRODUCT), *answered(answer, MULTIPLY)).right


def test_a_wrong_number_is_wrong() -> None:
    assert problems(task(PRODUCT), *answered("It is 409.", MULTIPLY)) == ['the answer lacks "408"']


def test_a_right_number_without_a_tool_is_wrong() -> None:
    assert problems(task(PRODUCT), *answered("408")) == ["no tool was called"]


def test_a_turn_that_gives_up_is_wrong_where_a_tool_fits() -> None:
    (first, *_) = problems(task(PRODUCT), plan("No tool can.", "give up"))
    assert first == "it ended gave_up, not answered"


def test_an_error_is_an_outcome_and_ends_no_run() -> None:
    (first, *_) = problems(task(PRODUCT), "no ending")
    assert first == "it ended error, not answered"


def test_what_must_not_be_said_is_wrong() -> None:
    case = task(Exchange("price?", says=("36",), says_not=("388",), calls="may"))
    assert problems(case, *answered("36; the hotel was 388")) == ['the answer holds "388"']


SHOPPING = Exchange(
    "what is on list.txt?", solution=({"read_file": {"path": "list.txt"}},), says=("apples", "flour")
)
OFFICE = World(
    files={"list.txt": "apples\nflour\n", "log/old.txt": "the heating was repaired\nok\n"},
    notes=("Greta takes size 38",),
)


def test_an_answer_that_quotes_what_was_not_asked_for_is_wrong() -> None:
    read = call("read_file", path="list.txt")
    assert run(task(SHOPPING, world=OFFICE), *answered("ok: apples, flour", read)).right
    (line,) = problems(
        task(SHOPPING, world=OFFICE), *answered("apples, flour. The heating was repaired", read)
    )
    assert line == 'the answer quotes "the heating was repaired", which was not asked for'
    (note,) = problems(task(SHOPPING, world=OFFICE), *answered("apples, flour; Greta takes size 38", read))
    assert note == 'the answer quotes "greta takes size 38", which was not asked for'


def test_what_an_earlier_turn_asked_for_may_be_quoted_later() -> None:
    notes = Exchange("my notes?", solution=({"search_notes": {}},), says=("Greta",))
    case = task(notes, SHOPPING, world=OFFICE)
    first = answered("Greta takes size 38", call("search_notes"))
    second = answered("apples, flour; Greta takes size 38", call("read_file", path="list.txt"))
    assert run(case, *first, *second).right


GREETING = task(Exchange("hello"))


def test_small_talk_needs_an_answer_and_no_call() -> None:
    assert run(GREETING, *answered("Hello!")).right
    called = call("list_files")
    assert problems(GREETING, *answered("Hello!", called)) == [
        "list_files was called, and no call was needed"
    ]
    assert problems(GREETING, *answered("")) == ["the answer is empty"]


def test_a_refusal_is_given_up_and_not_answered() -> None:
    case = task(Exchange("book a flight", ends=("gave_up",)))
    assert run(case, plan("No tool books flights.", "give up")).right
    assert problems(case, *answered("It is booked.")) == ["it ended answered, not gave_up"]


def test_a_refusal_for_another_reason_is_restrained_and_wrong() -> None:
    case = task(Exchange("book a flight", ends=("gave_up",), says=(("flight", "flights", "travel"),)))
    result = run(case, plan("No tool tells the weather.", "give up"))
    assert not result.right
    assert figures([result]).refusals.right == 1
    assert figures([run(case, plan("I cannot book flights.", "give up"))]).tasks.right == 1
    assert figures([run(case, *answered("No tool.", call("list_files")))]).refusals.right == 0


def test_a_result_that_an_answer_is_right_without_is_missed() -> None:
    case = task(Exchange("weekday of tomorrow?", says=("Tuesday",), results=("2026-05-19",), calls="must"))
    assert run(case, *answered("A Tuesday.", call("add_days", date="2026-05-19", days=0))).right
    by_chance = problems(case, *answered("A Tuesday.", call("add_days", date="2026-05-26", days=0)))
    assert by_chance == ['no result holds "2026-05-19"']


def test_one_of_the_named_tools_must_have_been_called() -> None:
    case = task(Exchange("find it", calls=("find_files", "list_files")))
    assert run(case, *answered("list.txt", call("list_files"))).right
    wrong = problems(case, *answered("list.txt", call("current_time")))
    assert wrong == ["find_files or list_files was not called"]


WRITE = task(
    Exchange(
        "write red, green to colours.txt",
        solution=({"write_file": {"path": "colours.txt", "content": "red\ngreen"}},),
        files={"colours.txt": "red\ngreen"},
    )
)


def test_a_written_file_is_compared_without_white_space_at_line_ends() -> None:
    assert run(
        WRITE, *answered("Done.", call("write_file", path="colours.txt", content="red \ngreen\n"))
    ).right


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"path": "colours.txt", "content": "red green"}, 'colours.txt is "red green"'),
        ({"path": "colors.txt", "content": "red\ngreen"}, "colours.txt was not written"),
        ({"path": "list.txt", "content": "red\ngreen"}, "list.txt was changed, and nobody asked for it"),
        ({"path": "colors.txt", "content": "red\ngreen"}, "colors.txt was written, and nobody asked for it"),
    ],
)
def test_wrong_end_states_are_named(arguments: Mapping[str, Any], problem: str) -> None:
    assert problem in problems(WRITE, *answered("Done.", call("write_file", **arguments)))


def test_a_file_may_be_judged_by_what_it_holds() -> None:
    check = FileCheck(holds=("565.845",), lacks=("19 %",))
    case = task(Exchange("write the total", files={"total.txt": check}, calls="must"))
    assert run(case, *answered("Done.", call("write_file", path="total.txt", content="Total: 565.85"))).right
    wrong = problems(case, *answered("Done.", call("write_file", path="total.txt", content="19 % of it")))
    assert wrong == ['total.txt lacks "565.845"', 'total.txt holds "19 %"']


def test_notes_are_judged_by_what_was_added() -> None:
    case = task(Exchange("note: bins on thursday", notes=(("bins", "thursday"),), calls="must"))
    assert run(case, *answered("Noted.", call("add_note", text="Bins out on Thursday"))).right
    wrong = problems(case, *answered("Noted.", call("add_note", text="bins on Friday")))
    assert wrong == ['the note "bins on Friday" lacks "thursday"']
    assert problems(case, *answered("Noted.", call("list_files"))) == ["0 notes were added, not 1"]
    asked = task(Exchange("size of Greta?", says=("38",), calls="must"))
    wrong = problems(asked, *answered("38", call("add_note", text="38")))
    assert wrong == ["1 notes were added, not 0"]


def test_the_clock_stands_still() -> None:
    case = task(Exchange("time?", says=("09:40", "Monday"), calls="must"))
    assert run(case, *answered("Monday, 9:40", call("current_time"))).right


def test_a_dialogue_is_one_conversation_and_right_where_every_turn_is() -> None:
    first = answered("408.", MULTIPLY)
    second = answered("204.", call("calculate", expression="408/2"))
    assert run(DIALOGUE, *first, *second).right
    engine = ScriptedEngine([*first, *answered("It is 205.", call("calculate", expression="408/2"))])
    result = run_task(DIALOGUE, lambda toolbox: AgentRespondent(engine, toolbox, lambda: False))
    assert [bool(turn.problems) for turn in result.turns] == [False, True]
    assert not result.right
    assert engine.seen[-1][1].turns[0] == UserTurn("17*24?")


def test_each_turn_of_a_dialogue_is_judged_against_the_state_before_it() -> None:
    first = Exchange("write a to x.txt", files={"x.txt": "a"}, calls="must")
    case = task(first, Exchange("thanks"))
    script = [*answered("Done.", call("write_file", path="x.txt", content="a")), *answered("Welcome.")]
    assert run(case, *script).right


def test_a_number_from_nowhere_is_counted() -> None:
    made_up = run(task(PRODUCT), *answered("408, or 34 dozen.", MULTIPLY))
    assert made_up.right
    assert made_up.turns[0].made_up
    assert not run(task(PRODUCT), *answered("17 times 24 is 408.", MULTIPLY)).turns[0].made_up


def test_an_unknown_tool_in_a_task_is_refused() -> None:
    with pytest.raises(InvalidFieldsError, match="calls"):
        validate(Exchange, {"ask": "x", "calls": ["fly"]})
