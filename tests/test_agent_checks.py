"""Rules on calls: a plain contradiction of the question is doubtful, and what the generator does never is."""

from __future__ import annotations

import pytest

from agent.checks.calls import doubt_about
from agent.transcript import Call, CallerTurn, ToolTurn, Transcript, UserTurn
from train.data.synthetic.generate import generate_rows


def calculate(expression: str) -> Call:
    return Call("calculate", {"expression": expression})


def add_days(days: int) -> Call:
    return Call("add_days", {"date": "today", "days": days})


def convert(value: float, source: str, target: str) -> Call:
    return Call("convert_units", {"value": value, "from_unit": source, "to_unit": target})


DOUBTFUL = [
    ("what is 12 plus 30?", calculate("12 - 30"), "names + and the expression has -"),
    ("add 12 and 30", calculate("12 * 30"), "names + and the expression has *"),
    ("12 times 30", calculate("12 + 30"), "names * and the expression has +"),
    ("divide 30 by 12", calculate("30 * 12"), "names / and the expression has *"),
    ("subtract 12 from 30", calculate("30 + 12"), "names - and the expression has +"),
    ("3 pens at 2.50 and a book at 8", calculate("3 * 2.5"), "leaves out 8"),
    ("which day was it 12 days ago", add_days(12), "says ago and the days are counted forward"),
    ("12 days before today", add_days(12), "says before"),
    ("12 days after today", add_days(-12), "says after and the days are counted back"),
    ("what date is 3 weeks from now", add_days(3), "counts weeks"),
    ("how many miles are 5 km", convert(5, "miles", "km"), "gives 5 in km"),
]


@pytest.mark.parametrize(("question", "call", "why"), DOUBTFUL)
def test_a_call_that_contradicts_the_question_is_doubtful(question: str, call: Call, why: str) -> None:
    assert why in doubt_about(Transcript((), (UserTurn(question),)), call)


FINE = [
    ("what is 12 plus 30?", calculate("12 + 30")),
    ("minus 12 plus 30", calculate("-12 + 30")),
    ("how many times does 12 go into 30", calculate("30 / 12")),
    ("12% off 30", calculate("30 - 12% * 30")),
    ("37k minus 10", calculate("37000 - 10")),
    ("not 12, 30", calculate("5 + 30")),
    ("add 12 and 30 and save it in out5.txt", calculate("12 + 30")),
    ("3 weeks ago", add_days(-21)),
    ("go back 12 days from today", add_days(-12)),
    ("in 3 weeks and 2 days", add_days(23)),
    ("5 km in miles", convert(5, "km", "miles")),
    ("how many miles are 5 km", convert(5, "km", "miles")),
    ("read 12 lines of a.txt", Call("read_file", {"path": "a.txt", "end_line": 12})),
]


@pytest.mark.parametrize(("question", "call"), FINE)
def test_a_call_that_fits_the_question_is_not(question: str, call: Call) -> None:
    assert doubt_about(Transcript((), (UserTurn(question),)), call) == ""


def test_a_later_call_answers_more_than_the_question() -> None:
    call = calculate("12 - 30")
    turns = (UserTurn("add 12 and 30"), CallerTurn((call,)), ToolTurn("calculate", "-18"))
    assert doubt_about(Transcript((), turns), call) == ""


def test_no_call_of_the_generator_is_doubtful() -> None:
    checked = 0
    for row in generate_rows(8, "test", 250):
        turns = row.transcript.turns
        for index, turn in enumerate(turns):
            if isinstance(turn, CallerTurn) and len(turn.calls) == 1:
                history = Transcript((), turns[:index])
                assert doubt_about(history, turn.calls[0]) == "", (history.turns[-2:], turn.calls[0])
                checked += 1
    assert checked > 200
