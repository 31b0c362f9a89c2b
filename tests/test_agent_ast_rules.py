"""Each AST rule of the function-calling leaderboard, with calls that pass it and calls that fail it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from agent.evaluation.benchmarks.ast_rules import call_fault, calls_fault, standardize
from agent.transcript import Call

ITEMS = {"type": "dict"}
BAKE = {
    "name": "oven.bake",
    "parameters": {
        "type": "dict",
        "properties": {
            "bread": {"type": "string"},
            "loaves": {"type": "integer"},
            "hours": {"type": "float"},
            "steam": {"type": "boolean"},
            "flours": {"type": "array", "items": {"type": "string"}},
            "weights": {"type": "array", "items": {"type": "float"}},
            "shape": {"type": "dict", "properties": {}},
            "steps": {"type": "array", "items": ITEMS},
            "size": {"type": "tuple", "items": {"type": "integer"}},
            "glaze": {"type": "any"},
            "salt": {"type": "string"},
        },
        "required": ["bread"],
    },
}
CLEAN = {
    "name": "oven.clean",
    "parameters": {"type": "dict", "properties": {"bread": {"type": "string"}}, "required": ["bread"]},
}
RIGHT = ""
TYPE = "a value of another type"
VALUE = "another value"


def fault(arguments: Mapping[str, Any], accepted: Mapping[str, list[Any]], name: str = "oven.bake") -> str:
    return call_fault(Call(name, {"bread": "rye", **arguments}), BAKE, {"bread": ["rye"], **accepted})


def test_the_tool_is_the_one_of_the_answer() -> None:
    assert fault({}, {}) == RIGHT
    assert fault({}, {}, name="oven_bake") == "another tool"


def test_required_parameters_are_given() -> None:
    assert call_fault(Call("oven.bake", {"bread": "rye"}), BAKE, {"bread": ["rye"]}) == RIGHT
    missing = call_fault(Call("oven.bake", {"loaves": 2}), BAKE, {"bread": ["rye", ""], "loaves": [2]})
    assert missing == "a required parameter is missing"


def test_no_parameter_that_the_tool_or_the_answer_lacks() -> None:
    assert fault({"loaves": 2}, {"loaves": [2]}) == RIGHT
    assert fault({"loaves": 2}, {}) == "a parameter that the answer lacks"
    assert fault({"colour": "brown"}, {"colour": ["brown"]}) == "a parameter that the answer lacks"


def test_only_what_accepts_an_empty_text_may_be_left_out() -> None:
    assert fault({}, {"loaves": ["", 2]}) == RIGHT
    assert fault({}, {"loaves": [2]}) == "a parameter of the answer is missing"


@pytest.mark.parametrize(
    ("name", "value", "accepted", "expected"),
    [
        # numbers and booleans
        ("loaves", 2, [1, 2], RIGHT),
        ("loaves", 3, [1, 2], VALUE),
        ("loaves", 2.0, [2], TYPE),
        ("loaves", True, [1], TYPE),
        ("loaves", "2", [2], TYPE),
        ("hours", 1.5, [1.5], RIGHT),
        ("hours", 2, [2.0], RIGHT),
        ("hours", 2, [2], RIGHT),
        ("hours", 2.5, [2.0], VALUE),
        ("steam", False, [False], RIGHT),
        ("steam", True, [False], VALUE),
        ("steam", 0, [False], TYPE),
        # texts
        ("salt", "Sea-salt, fine", ["sea salt fine"], RIGHT),
        ("salt", "sea_salt.", ["Sea Salt"], RIGHT),
        ("salt", "rock salt", ["sea salt"], VALUE),
        ("salt", "sea salt!", ["sea salt"], VALUE),
        ("salt", "", ["", "sea salt"], RIGHT),
        ("salt", 5, ["5"], TYPE),
        # lists
        ("flours", ["Rye", "spelt"], [["rye", "Spelt"]], RIGHT),
        ("flours", ["spelt", "rye"], [["rye", "spelt"]], VALUE),
        ("flours", ["rye", 3], [["rye", "spelt"]], TYPE),
        ("flours", "rye", [["rye"]], TYPE),
        ("flours", [], ["", ["rye"]], RIGHT),
        ("flours", [], [["rye"]], VALUE),
        ("weights", [1.5, 2.0], [[1.5, 2.0]], RIGHT),
        ("weights", [1, 2], [[1.5, 2.0], [1.0, 2.0]], TYPE),
        ("weights", [1, 2], [[1, 2]], RIGHT),
        ("size", [20, 30], [[20, 30]], RIGHT),
        ("size", [20, 31], [[20, 30]], VALUE),
        # objects
        ("shape", {"form": "Ring"}, [{"form": ["ring", "loaf"], "holes": ["", 1]}], RIGHT),
        ("shape", {"form": "ring", "holes": 1}, [{"form": ["ring"], "holes": ["", 1]}], RIGHT),
        ("shape", {"form": "ring"}, [{"form": ["ring"], "holes": [1]}], VALUE),
        ("shape", {"form": "ring", "top": 1}, [{"form": ["ring"]}], VALUE),
        ("shape", {"form": "cube"}, ["", {"form": ["ring"]}], VALUE),
        ("shape", ["ring"], [{"form": ["ring"]}], TYPE),
        # lists of objects
        ("steps", [{"do": "Knead"}, {"do": "rest"}], [[{"do": ["knead"]}, {"do": ["rest"]}]], RIGHT),
        ("steps", [{"do": "rest"}, {"do": "knead"}], [[{"do": ["knead"]}, {"do": ["rest"]}]], VALUE),
        ("steps", [{"do": "knead"}], [[{"do": ["knead"]}, {"do": ["rest"]}]], VALUE),
        ("steps", ["knead"], [[{"do": ["knead"]}]], TYPE),
        ("steps", [], ["", [{"do": ["knead"]}]], RIGHT),
        # a value of the type of the answer rather than of the declared one is compared as it is
        ("loaves", "a dozen", ["a dozen"], RIGHT),
        ("loaves", "A dozen", ["a dozen"], VALUE),
        ("glaze", 3, [3], RIGHT),
        ("glaze", 4, [3], VALUE),
        ("glaze", "Egg", ["egg"], RIGHT),
        ("glaze", None, ["egg"], TYPE),
    ],
)
def test_values_are_compared_by_type(name: str, value: Any, accepted: list[Any], expected: str) -> None:
    assert fault({name: value}, {name: accepted}) == expected


def test_texts_are_compared_without_case_spaces_and_some_punctuation() -> None:
    assert standardize("A. b,C/d-E_f*g^H 'i'") == 'abcdefgh"i"'
    assert standardize("a:b;(c)!") == "a:b;(c)!"


RYE = Call("oven.bake", {"bread": "rye"})
WHEAT = Call("oven.bake", {"bread": "wheat"})
CLEANED = Call("oven.clean", {"bread": "rye"})


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ([RYE, CLEANED, WHEAT], RIGHT),
        ([WHEAT, CLEANED, RYE], RIGHT),
        ([RYE, WHEAT], "another number of calls"),
        ([RYE, CLEANED, RYE], VALUE),
        ([], "no call"),
    ],
)
def test_several_calls_stand_in_any_order(calls: list[Call], expected: str) -> None:
    answers = [
        {"oven.bake": {"bread": ["rye"]}},
        {"oven.clean": {"bread": ["rye"]}},
        {"oven.bake": {"bread": ["wheat"]}},
    ]
    assert calls_fault(calls, answers, [BAKE, CLEAN]) == expected


def test_a_question_with_one_answer_takes_one_call() -> None:
    answers = [{"oven.bake": {"bread": ["rye"]}}]
    assert calls_fault([RYE], answers, [CLEAN, BAKE]) == RIGHT
    assert calls_fault([RYE, RYE], answers, [BAKE]) == "another number of calls"
    assert calls_fault([CLEANED], answers, [BAKE, CLEAN]) == "another tool"
