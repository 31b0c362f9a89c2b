"""Rules on calls: a plain contradiction of the question is doubtful, and what the generator does never is."""

from __future__ import annotations

import pytest

from agent.checks.answers import AnswerCheck, unsupported
from agent.checks.calls import doubt_about
from agent.transcript import Call, CallerTurn, SummarizerTurn, ToolTurn, Transcript, UserTurn
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


LISTED = ToolTurn("list_files", "a.txt\nb.txt\nc.txt\nd.txt")
MILES = ToolTurn("convert_units", "8.04672 km")
READ = ToolTurn("read_file", "Meet Ana in ünï.txt")


def exchange(question: str, observation: ToolTurn) -> Transcript:
    call = CallerTurn((Call(observation.name, {}),))
    return Transcript((), (UserTurn(question), call, observation))


UNSUPPORTED = [
    ("5 miles in km", MILES, "5 miles is 8.04672 miles.", "another unit"),
    ("5 miles in km", MILES, "5 km is 8.04672 km.", "another unit"),
    ("read it", READ, "It says: Meet Ana in öná.txt", "stands nowhere"),
    ("read it", READ, "It says: Meet Eva there", "Eva stands nowhere"),
    ("read it", READ, "other.txt says: Meet Ana in ünï.txt", "other.txt stands nowhere"),
    ("list them", LISTED, "a.txt\nb.txt\nd.txt", "leaves out c.txt"),
    ("list them", LISTED, "a.txt\nc.txt\nb.txt\nd.txt", "another order"),
    ("list them", LISTED, '{"name":"list_files","arguments":{}}', "a call"),
]


@pytest.mark.parametrize(("question", "observation", "answer", "why"), UNSUPPORTED)
def test_an_answer_that_nothing_supports_is_what_the_tool_said(
    question: str, observation: ToolTurn, answer: str, why: str
) -> None:
    check = AnswerCheck(exchange(question, observation))
    shown = "".join(check.feed(letter) for letter in answer) + check.finish()
    assert why in check.doubt
    assert shown == check.text
    assert f"{observation.name} says:" in shown
    assert observation.content in shown


SUPPORTED = [
    ("5 miles in km", MILES, "5 miles is 8.04672 km."),
    ("5 miles in km", MILES, "That is 8.04672 kilometers."),
    ("read it", READ, "It says:\nMeet Ana in ünï.txt"),
    ("list them", LISTED, "The files are:\na.txt\nb.txt\nc.txt\nd.txt"),
    ("the first three", LISTED, "a.txt\nb.txt\nc.txt"),
    ("is there a c.txt", LISTED, "Yes, c.txt is there, on Monday as in May."),
]


@pytest.mark.parametrize(("question", "observation", "answer"), SUPPORTED)
def test_an_answer_that_is_supported_is_passed_on(question: str, observation: ToolTurn, answer: str) -> None:
    check = AnswerCheck(exchange(question, observation))
    shown = "".join(check.feed(letter) for letter in answer) + check.finish()
    assert (shown, check.doubt) == (answer, "")


def test_no_answer_of_the_generator_is_unsupported() -> None:
    checked = 0
    for row in generate_rows(9, "test", 250):
        turns = row.transcript.turns
        for index, turn in enumerate(turns):
            if isinstance(turn, SummarizerTurn):
                history = Transcript(row.transcript.tools, turns[:index])
                assert unsupported(turn.content, history) == "", (turn.content, history.turns[-3:])
                checked += 1
    assert checked > 250
