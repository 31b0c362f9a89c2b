"""Tasks on scripted models: right turns however they are worded, wrong ones, and the figures of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from fakes import call, plan

from agent.engine import ScriptedEngine
from agent.evaluation.exam.baselines import BASELINES
from agent.evaluation.exam.report import compare, figures
from agent.evaluation.exam.running import AgentRespondent, TaskResult, run_exam, run_task
from agent.evaluation.exam.schema import Exchange, FileCheck, Half, Task, World
from agent.transcript import UserTurn
from agent.transcript.validation import InvalidFieldsError, validate

DESK = World(
    files={"list.txt": "apples\nflour\n", "draft.md": "dark\n"},
    notes=("Greta takes size 38",),
    clock="2026-05-18 09:40 Europe/Berlin",
)


def task(
    *exchanges: Exchange,
    world: World = DESK,
    name: str = "t",
    category: str = "c",
    half: Half = "development",
) -> Task:
    return Task(name, category, half, world, exchanges)


def run(case: Task, *script: str) -> TaskResult:
    """Run a task on the texts of a script."""
    engine = ScriptedEngine(script)
    return run_task(case, lambda toolbox: AgentRespondent(engine, toolbox, lambda: False))


def answered(answer: str, *calls: str) -> list[str]:
    """The generations of a turn with these calls, one a step."""
    steps = [text for one in calls for text in (plan("I call a tool.", "caller"), one)]
    return [*steps, plan("I know it.", "summarizer"), answer]


def problems(case: Task, *script: str) -> list[str]:
    return [problem for turn in run(case, *script).turns for problem in turn.problems]


PRODUCT = Exchange("17*24?", solution=({"calculate": {"expression": "17*24"}},), says=("408",))
MULTIPLY = call("calculate", expression="17*24")


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


DIALOGUE = task(
    PRODUCT,
    Exchange("half of it", solution=({"calculate": {"expression": "408/2"}},), says=("204",)),
    name="d",
    category="onward",
)


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


def test_figures_count_by_category_and_kind() -> None:
    results = [
        run(task(PRODUCT, name="a", category="sums"), *answered("408", MULTIPLY)),
        run(task(PRODUCT, name="b", category="sums"), *answered("407", MULTIPLY)),
        run(task(Exchange("hi"), name="e", category="talk"), *answered("Hi.")),
        run(task(Exchange("fly", ends=("gave_up",)), name="f", category="none"), plan("No.", "give up")),
        run(DIALOGUE, *answered("408", MULTIPLY), *answered("205", call("calculate", expression="408/2"))),
    ]
    got = figures(results)
    assert (got.categories["sums"].right, got.categories["sums"].of) == (1, 2)
    assert (got.tasks.right, got.tasks.of) == (3, 4)
    assert (got.dialogues.right, got.dialogues.of) == (0, 1)
    assert (got.turns.right, got.turns.of) == (1, 2)
    assert (got.no_tool.right, got.no_tool.of) == (1, 1)
    assert (got.refusals.right, got.refusals.of) == (1, 1)
    assert 0.0 <= got.categories["sums"].low <= 0.5 <= got.categories["sums"].high <= 1.0
    assert figures([]).tasks.of == 0


def test_an_answer_that_calls_nothing_shows_restraint_even_if_it_is_wrong() -> None:
    asked = task(Exchange("capital of France?", says=("Paris",)))
    got = figures([run(asked, *answered("It is Lyon."))])
    assert (got.tasks.right, got.no_tool.right) == (0, 1)


def test_two_runs_are_compared_task_by_task() -> None:
    def runs(right: str) -> list[TaskResult]:
        return [
            run(task(PRODUCT, name=name), *answered("408" if name in right else "1", MULTIPLY))
            for name in "abcd"
        ]

    got = compare(runs("ab"), runs("bcd"))
    assert (got.difference, got.of) == (0.25, 4)
    assert (got.wins, got.losses) == (("c", "d"), ("a",))
    assert got.low < 0.25 < got.high
    same = compare(runs("ab"), runs("ab"))
    assert (same.difference, same.low, same.high) == (0.0, 0.0, 0.0)


def test_a_run_that_is_cancelled_leaves_out_the_task_under_way() -> None:
    engine = ScriptedEngine([*answered("Hi."), *answered("Hello.")])
    cases = [task(Exchange("hi"), name=name) for name in "ab"]
    run_of = run_exam(
        cases, lambda toolbox: AgentRespondent(engine, toolbox, lambda: False), lambda: len(engine.seen) > 2
    )
    assert [result.id for result in run_of] == ["a"]


def test_the_test_half_is_reported_without_its_words() -> None:
    seen = run(task(PRODUCT), *answered("409", MULTIPLY)).to_json()
    unseen = run(task(PRODUCT, half="test"), *answered("409", MULTIPLY)).to_json()
    assert seen["turns"][0]["answer"] == "409"
    assert "turns" not in unseen
    assert unseen["right"] is False


@pytest.mark.parametrize(
    ("name", "case"),
    [
        ("repeats the question", task(Exchange("hello"))),
        ("gives up", task(Exchange("fly me home", ends=("gave_up",)))),
        (
            "calls what takes no argument",
            task(Exchange("what is here?", says=("list.txt",), calls="must"), world=World({"list.txt": "x"})),
        ),
        ("reads every file", task(Exchange("what to buy?", says=("apples", "flour"), calls="must"))),
    ],
)
def test_each_baseline_gets_what_needs_no_understanding(name: str, case: Task) -> None:
    right = {baseline for baseline, answer in BASELINES.items() if run_task(case, answer).right}
    assert name in right


def test_an_unknown_tool_in_a_task_is_refused() -> None:
    with pytest.raises(InvalidFieldsError, match="calls"):
        validate(Exchange, {"ask": "x", "calls": ["fly"]})
