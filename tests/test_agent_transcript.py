"""Schema 1: what a caller's turn accepts, how it is written, and what an empty thought trains."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.prompting.encoding import encode
from agent.transcript import (
    Accepted,
    Call,
    CallerTurn,
    PlannerTurn,
    Row,
    SummarizerTurn,
    Transcript,
    UserTurn,
    row_from_json,
    row_to_json,
    turn_from_json,
    turn_to_json,
)


def call(name: str = "look", **arguments: Any) -> Call:
    return Call(name, arguments)


def test_accepted_answers_survive_json() -> None:
    accept = (Accepted("look", {"at": ["here", "Here"], "far": [True]}, ("far",)),)
    turn = CallerTurn((call(at="here"),), accept)
    row = Row("1", "s", "test", Transcript((), (UserTurn("?"), PlannerTurn("", "caller"), turn)))
    value = json.loads(json.dumps(row_to_json(row)))
    assert value["turns"][2]["accept"] == [
        {"name": "look", "arguments": {"at": ["here", "Here"], "far": [True]}, "optional": ["far"]}
    ]
    assert row_from_json(value) == row


def test_a_turn_without_accepted_answers_is_written_as_before() -> None:
    turn = CallerTurn((call(at="here"),))
    assert turn_to_json(turn) == {"role": "caller", "calls": [{"name": "look", "arguments": {"at": "here"}}]}
    assert turn_from_json(turn_to_json(turn)) == turn


@pytest.mark.parametrize(
    ("accept", "message"),
    [
        ([{"name": "look", "arguments": {"at": "here"}}], "accepted values of at are not a list"),
        ([{"name": "look", "arguments": {}, "optional": ["at"]}], "optional names a parameter"),
        ([{"arguments": {}}], "lacks 'name'"),
        ([{"name": "look", "arguments": {}}] * 2, "2 accepted answers stand beside 1 calls"),
        (3, "wrong type"),
    ],
)
def test_accepted_answers_that_make_no_sense_are_refused(accept: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        turn_from_json(
            {"role": "caller", "calls": [{"name": "look", "arguments": {"at": 1}}], "accept": accept}
        )


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ([call(at="here")], True),
        ([call(at="Here", far=True)], True),
        ([call(at="Here", far=1)], False),
        ([call(at="there")], False),
        ([call(far=True)], False),
        ([call(at="here", how="quickly")], False),
        ([call("find", at="here")], False),
        ([], False),
        ([call(at="here"), call(at="here")], False),
    ],
)
def test_one_call_against_accepted_answers(given: list[Call], right: bool) -> None:
    turn = CallerTurn(
        (call(at="here"),), (Accepted("look", {"at": ["here", "Here"], "far": [True]}, ("far",)),)
    )
    assert turn.matched_by(given) is right


def test_values_are_compared_as_json() -> None:
    turn = CallerTurn((call(n=5, list=[1, {"a": 0.5}], flag=True),))
    assert turn.matched_by([call(flag=True, list=[1.0, {"a": 0.5}], n=5.0)])
    for wrong in ({"n": "5"}, {"flag": 1}, {"list": [{"a": 0.5}, 1]}, {"list": [True, {"a": 0.5}]}):
        assert not turn.matched_by([Call("look", {**turn.calls[0].arguments, **wrong})])


def test_parallel_calls_match_in_any_order_and_each_answer_once() -> None:
    calls = (call(at="a"), call(at="b"), call(at="c"))
    turn = CallerTurn(calls)
    assert turn.matched_by([calls[2], calls[0], calls[1]])
    assert not turn.matched_by([calls[0], calls[0], calls[1]])
    assert not turn.matched_by(calls[:2])


def test_a_call_that_two_answers_take_leaves_the_narrower_one_to_the_other_call() -> None:
    wide, narrow = Accepted("look", {"at": ["a", "b"]}), Accepted("look", {"at": ["a"]})
    turn = CallerTurn((call(at="b"), call(at="a")), (wide, narrow))
    assert turn.matched_by([call(at="a"), call(at="b")])
    assert turn.matched_by([call(at="b"), call(at="a")])
    assert not turn.matched_by([call(at="b"), call(at="b")])


def test_many_equal_calls_are_matched_at_once() -> None:
    turn = CallerTurn(tuple(call(at=1) for _ in range(60)))
    assert not turn.matched_by([call(at=1)] * 59 + [call(at=2)])


def characters(text: str, special: bool) -> list[int]:
    return [ord(char) for char in text]


@pytest.mark.parametrize("handed", ["caller", "summarizer", "give up"])
def test_an_empty_thought_trains_the_hand_over_alone(handed: Any) -> None:
    transcript = Transcript((), (UserTurn("hi"), PlannerTurn("", handed), SummarizerTurn("hello")))
    encoded = encode(transcript, ("planner",), characters)
    learnt = "".join(chr(i) for i, learn in zip(encoded.rest, encoded.learn, strict=True) if learn)
    assert learnt == f"Next: {handed}<|im_end|>"
