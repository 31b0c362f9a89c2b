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
    Turn,
    UserTurn,
    row_from_json,
    row_to_json,
)
from agent.transcript.validation import InvalidFieldsError


def call(name: str = "look", **arguments: Any) -> Call:
    return Call(name, arguments)


def row_of(turn: Turn) -> Row:
    return Row("1", "s", "test", Transcript((), (turn,)))


def row_with(turn: dict[str, Any]) -> dict[str, Any]:
    return {"schema": 1, "id": "1", "source": "s", "split": "test", "tools": [], "turns": [turn]}


def test_accepted_answers_survive_json() -> None:
    accept = (Accepted("look", {"at": ["here", "Here"], "far": [True]}, ("far",)),)
    turn = CallerTurn((call(at="here"),), accept)
    row = Row("1", "s", "test", Transcript((), (UserTurn("?"), PlannerTurn("", "caller"), turn)))
    value = json.loads(json.dumps(row_to_json(row)))
    assert value["turns"][2]["accept"] == [
        {"name": "look", "arguments": {"at": ["here", "Here"], "far": [True]}, "optional": ["far"]}
    ]
    assert row_from_json(value) == row


def test_a_turn_without_accepted_answers_is_written_without_the_field() -> None:
    turn = CallerTurn((call(at="here"),))
    value = json.loads(json.dumps(row_to_json(row_of(turn))))
    assert value["turns"] == [{"role": "caller", "calls": [{"name": "look", "arguments": {"at": "here"}}]}]
    assert row_from_json(value) == row_of(turn)


@pytest.mark.parametrize(
    ("accept", "message"),
    [
        (
            [{"name": "look", "arguments": {"at": "here"}}],
            r"turns\[0\].accept\[0\].arguments.at is 'here', not a list",
        ),
        ([{"name": "look", "arguments": {}, "optional": ["at"]}], "optional names a parameter"),
        ([{"arguments": {}}], r"turns\[0\].accept\[0\].name is missing"),
        ([{"name": "look", "arguments": {}}] * 2, "2 accepted answers stand beside 1 calls"),
        (3, r"turns\[0\].accept is 3, not a list"),
    ],
)
def test_invalid_accepted_answers_are_refused(accept: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        row_from_json(
            row_with(
                {"role": "caller", "calls": [{"name": "look", "arguments": {"at": 1}}], "accept": accept}
            )
        )


def test_every_wrong_field_of_a_row_is_named_at_once() -> None:
    value = row_with({"role": "planner", "content": 5, "next": "tool", "nxt": "caller"})
    with pytest.raises(InvalidFieldsError) as caught:
        row_from_json({**value, "split": "Train", "extra": 1})
    assert sorted(map(str, caught.value.errors)) == [
        "an unknown field: extra",
        "an unknown field: turns[0].nxt",
        "split is 'Train', not one of train, valid, test",
        "turns[0].content is 5, not text",
        "turns[0].next is 'tool', not one of caller, summarizer, give up",
    ]


def test_a_turn_of_no_known_role_is_refused() -> None:
    for turn, message in (
        ({"content": "x"}, "role is missing"),
        ({"role": "system"}, "role is 'system', not"),
    ):
        with pytest.raises(InvalidFieldsError, match=rf"turns\[0\].{message}"):
            row_from_json(row_with(turn))


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
    targets = "".join(
        chr(i) for i, is_target in zip(encoded.rest, encoded.is_target, strict=True) if is_target
    )
    assert targets == f"Next: {handed}<|im_end|>"
