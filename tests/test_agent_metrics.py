"""The measures of a turn, counted by hand: arguments, tools, made-up calls, hand-overs, ROUGE-L."""

from __future__ import annotations

from typing import Any

import pytest
from tiny_base import ADD, ECHO

from agent.evaluation.metrics import argument_f1, count_hallucinated, handover_matches, rouge_l, tools_match
from agent.transcript import Accepted, Call, CallerTurn, PlannerTurn


def turn_of(*calls: Call, accept: tuple[Accepted, ...] = ()) -> CallerTurn:
    return CallerTurn(calls, accept)


def call(name: str, **arguments: Any) -> Call:
    return Call(name, arguments)


@pytest.mark.parametrize(
    ("written", "reference", "strict", "compat"),
    [
        ([call("f", a=1, b=2)], [call("f", a=1, b=2)], 1, 1),
        ([call("f", a=1, b=3)], [call("f", a=1, b=2)], 1 / 2, 3 / 4),
        ([call("f", a=1)], [call("f", a=1, b=2)], 2 / 3, 2 / 3),
        ([call("f", a=1, b=2, c=3)], [call("f", a=1, b=2)], 4 / 5, 4 / 5),
        ([call("g", a=1, b=2)], [call("f", a=1, b=2)], 0, 0),
        ([call("f", a=1), call("f", a=1)], [call("f", a=1)], 2 / 3, 2 / 3),
        ([call("f", a=1)], [call("f", a=1), call("f", a=1)], 2 / 3, 2 / 3),
        ([call("f", a=9), call("f", a=1)], [call("f", a=1), call("f", a=2)], 1 / 2, 3 / 4),
        ([call("g", b=2), call("f", a=1)], [call("f", a=1), call("g", b=2)], 1, 1),
        ([call("f", a=1.0)], [call("f", a=1)], 1, 1),
        ([call("f", a=True)], [call("f", a=1)], 0, 1 / 2),
        ([call("f", a="1")], [call("f", a=1)], 0, 1 / 2),
        ([call("f", a=[True])], [call("f", a=["bool", True])], 0, 1 / 2),
        ([call("f", a={"x": [1, {"y": 2.0}]})], [call("f", a={"x": [1.0, {"y": 2}]})], 1, 1),
        ([call("f", a={"x": [1, 2]})], [call("f", a={"x": [2, 1]})], 0, 1 / 2),
        ([call("f", a="naïve 🙂")], [call("f", a="naïve 🙂")], 1, 1),
        ([call("f", a=None)], [call("f")], 0, 0),
        ([call("f")], [call("f")], 1, 1),
        ([call("g")], [call("f")], 0, 0),
        ([call("f"), call("g")], [call("f")], 2 / 3, 2 / 3),
        ([call("f")], [call("f", a=1)], 0, 0),
        ([], [call("f", a=1)], 0, 0),
    ],
)
def test_argument_f1_by_hand(
    written: list[Call], reference: list[Call], strict: float, compat: float
) -> None:
    assert argument_f1(written, turn_of(*reference)) == pytest.approx(strict)
    assert argument_f1(written, turn_of(*reference), compat=True) == pytest.approx(compat)


def test_an_accepted_answer_is_right_in_any_measure_of_arguments() -> None:
    accepted = Accepted("f", {"a": [1, "one"], "b": [2]}, ("b",))
    turn = turn_of(call("f", a=1, b=2), accept=(accepted,))
    assert argument_f1([call("f", a="one")], turn) == 1
    assert argument_f1([call("f", a="two")], turn) == 0


def test_tools_are_compared_without_order_but_with_their_number() -> None:
    turn = turn_of(call("f", a=1), call("g"), call("f", a=2))
    assert tools_match([call("g", x=1), call("f"), call("f")], turn)
    assert not tools_match([call("g"), call("f")], turn)
    assert not tools_match([call("g"), call("g"), call("f")], turn)
    assert not tools_match([], turn)


@pytest.mark.parametrize(
    ("text", "bad", "written"),
    [
        ('{"name":"add","arguments":{"a":1}}', 0, 1),
        ('{"name":"subtract","arguments":{}}', 1, 1),
        ('{"name":"add","arguments":{}}\n{"name":"Add","arguments":{}}', 1, 2),
        ('{"name":"add","arguments":{}', 1, 1),
        ('{"name":"add","arguments":{}}\n', 1, 2),
        ('{"name":"add","arguments":[]}', 1, 1),
        ("", 1, 1),
    ],
)
def test_hallucinated_calls_by_hand(text: str, bad: int, written: int) -> None:
    assert count_hallucinated(text, (ADD, ECHO)) == (bad, written)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("I need it.\nNext: caller", True),
        ("Next: caller", True),
        ("Next: summarizer", False),
        ("I call the caller.", False),
        ("Next: Caller", False),
        ("Next: caller.", False),
        ("Next: caller\nand so on", False),
        ("", False),
    ],
)
def test_only_the_ending_itself_is_a_hand_over(text: str, right: bool) -> None:
    assert handover_matches(text, PlannerTurn("", "caller")) == right


@pytest.mark.parametrize(
    ("text", "reference", "score"),
    [
        ("police killed the gunman", "police kill the gunman", 3 / 4),  # Lin 2004, section 3.2
        ("the gunman kill police", "police kill the gunman", 1 / 2),
        ("It is 5.", "it is 5", 1),
        ("It is", "It is 17 degrees", 2 / 3),
        ("cafe\u0301 ÜBER", "café über", 1),
        ("", "something", 0),
        ("something", "", 0),
        ("", "", 1),
        ("🙂", "🙂", 1),
        ("🙂", "👍", 0),
    ],
)
def test_rouge_l_by_hand(text: str, reference: str, score: float) -> None:
    assert rouge_l(text, reference) == pytest.approx(score)
