"""The figures of a run of the exam: counts by category and kind, comparisons, baselines."""

from __future__ import annotations

import pytest
from exam_turns import DIALOGUE, MULTIPLY, PRODUCT, answered, run, task
from fakes import call, plan

from agent.engine import ScriptedEngine
from agent.evaluation.exam.baselines import BASELINES
from agent.evaluation.exam.report import compare, figures
from agent.evaluation.exam.running import AgentRespondent, TaskResult, run_exam, run_task
from agent.evaluation.exam.schema import Exchange, Task, World


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
