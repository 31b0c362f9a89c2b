"""Rules on calls: a plain contradiction of the question is doubtful, and what the generator does never is."""

from __future__ import annotations

import pytest

from agent.checks.answers.answer_check import AnswerCheck, unsupported
from agent.checks.calls.call_check import doubt_about, is_settled
from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
    SummarizerTurn,
    ToolSpec,
    ToolTurn,
    Transcript,
    UserTurn,
)
from train.data.synthetic.generate import generate_rows


def calculate(expression: str) -> Call:
    return Call("calculate", {"expression": expression})


def add_days(days: int) -> Call:
    return Call("add_days", {"date": "today", "days": days})


def between(start: str, end: str) -> Call:
    return Call("days_between", {"start": start, "end": end})


def write(path: str, content: str = "x") -> Call:
    return Call("write_file", {"path": path, "content": content})


def convert(value: float, source: str, target: str) -> Call:
    return Call("convert_units", {"value": value, "from_unit": source, "to_unit": target})


DOUBTFUL = [
    ("what is 12 plus 30?", calculate("12 - 30"), "names + and the expression has -"),
    ("add 12 and 30", calculate("12 * 30"), "names + and the expression has *"),
    ("12 times 30", calculate("12 + 30"), "names * and the expression has +"),
    ("divide 30 by 12", calculate("30 * 12"), "names / and the expression has *"),
    ("subtract 12 from 30", calculate("30 + 12"), "names - and the expression has +"),
    ("seventeen crates with 24 bottles in each", calculate("24 / 24"), "nothing but 24"),
    ("3 pens at 2.50 and a book at 8", calculate("3 * 2.5"), "leaves out 8"),
    ("seventeen crates with 24 bottles in each", calculate("24 * 12"), "leaves out 17"),
    ("seventeen crates with 24 bottles in each", calculate("17 + 2"), "leaves out 24"),
    ("two hundred and five plus sixty-one", calculate("205 + 16"), "leaves out 61"),
    ("3 pens at 2.50. The book costs eight. In all?", calculate("3 * 2.5"), "leaves out 8"),
    ("which day was it 12 days ago", add_days(12), "says ago and the days are counted forward"),
    ("12 days before today", add_days(12), "says before"),
    ("12 days after today", add_days(-12), "says after and the days are counted back"),
    ("what date is 3 weeks from now", add_days(3), "counts weeks"),
    ("how many miles are 5 km", convert(5, "miles", "km"), "gives 5 in km"),
    ("forty days on from 2026-06-10", add_days(3), "says “forty days” and the call 3"),
    ("40 days on from today", add_days(3), "says “40 days” and the call 3"),
    ("ninety days before 15 October", between("today", "15 October"), "asks for a date"),
    ("days from 3 May to 9 June", between("4 May", "9 July"), "does not name the day 4 May, 9 Jul"),
    ("the 25 as metres", convert(25, "metres", "metres"), "converts metres to metres"),
    ("3 lamps at 24 and a desk at 90", calculate("3 * 24 + 3 * 90"), "multiplies by 3 twice"),
    ("30% of 200", calculate("200 + 30%"), "asks for a share"),
    ("a bill of 80 and 15 percent go to the waiter", calculate("80 / 15%"), "divides by a percentage"),
    ("what percentage is 12 of 30", calculate("12 / 30"), "asks for percent"),
    ("double 40 and take 7 off", calculate("40 - 7"), "leaves out “double”"),
    ("half a dozen rolls for 3.60, one costs", calculate("3.60 / 12"), "leaves out “half a dozen”"),
    ("20,000 less 6,789", calculate("20000 - 678"), "leaves out 6,789"),
    ("minus thirty celsius in fahrenheit", convert(30, "celsius", "fahrenheit"), "above zero"),
    ("8 degrees below zero celsius in kelvin", convert(8, "celsius", "kelvin"), "above zero"),
    ("give me lines 2 to 4 of a.txt", write("a.txt"), "does not ask to write"),
    ("write 'oats, raisins' to a.txt", write("a.txt", "oat, raisins"), "quotes “oats, raisins”"),
    ('note "call Ana at 7"', Call("add_note", {"text": "call Ana at 8"}), "quotes “call Ana at 7”"),
    ("write the text hello into a.txt", write("hello into a.txt", "hello"), "are the same words"),
    ("write hi into c.txt", write("c.txt", "hi into c.txt"), "are the same words"),
    ("look into a.txt: policy number?", write("a.txt"), "does not ask to write"),
    ("When does my order leave? It's in a.txt", write("a.txt"), "does not ask to write"),
]


@pytest.mark.parametrize(("question", "call", "why"), DOUBTFUL)
def test_a_call_that_contradicts_the_question_is_doubtful(question: str, call: Call, why: str) -> None:
    assert why in doubt_about(Transcript((), (UserTurn(question),)), call)


FINE = [
    ("what is 12 plus 30?", calculate("12 + 30")),
    ("minus 12 plus 30", calculate("-12 + 30")),
    ("how many times does 12 go into 30", calculate("30 / 12")),
    ("3 lamps at 24 and 3 desks at 90", calculate("3 * 24 + 3 * 90")),
    ("a lamp at 24 and a desk at 90 for each of 3", calculate("3 * 24 + 3 * 90")),
    ("write 'oats, raisins' to a.txt", write("a.txt", "oats, raisins and milk")),
    ("write to 'my list.txt' that we need oats", write("my list.txt", "we need oats")),
    ("write hello into hello.txt", write("hello.txt", "hello")),
    ("the name of a.txt goes into a.txt", write("a.txt", "a.txt")),
    ("the note 'call Ana' goes to Bob's list, a.txt", write("a.txt", "call Ana")),
    ("30% of 200", calculate("30% * 200")),
    ("add 30% of 200 to 200", calculate("200 + 30%")),
    ("15 is 30% of what number", calculate("15 / 30%")),
    ("what percentage is 12 of 30", calculate("12 / 30 * 100")),
    ("half a dozen rolls for 3.60, one costs", calculate("3.60 / 6")),
    ("twice 40", calculate("40 + 40")),
    ("subtract 6,789 from 20,000", calculate("20,000 - 6,789")),
    ("forget 12, take 30", calculate("5 + 30")),
    ("1) how late is it? 2) 4 plus 5", calculate("4 + 5")),
    ("minus thirty celsius in fahrenheit", convert(-30, "celsius", "fahrenheit")),
    ("10 minus 30 celsius in fahrenheit", convert(30, "celsius", "fahrenheit")),
    ("12% off 30", calculate("30 - 12% * 30")),
    ("37k minus 10", calculate("37000 - 10")),
    ("not 12, 30", calculate("5 + 30")),
    ("add 12 and 30 and save it in out5.txt", calculate("12 + 30")),
    ("the square of 4", calculate("4 * 4")),
    ("4 / 4", calculate("4 / 4")),
    ("seventeen crates with 24 bottles in each", calculate("17 * 24")),
    ("Three friends and I share 96.40", calculate("96.40 / 4")),
    ("the mean of the three numbers 4, 5 and 9", calculate("(4 + 5 + 9) / 3")),
    ("the sum of the three numbers 4, 5 and 9", calculate("4 + 5 + 9")),
    ("12.5 by seven, to two decimals", calculate("12.5 / 7")),
    ("4 million divided by six", calculate("4000000 / 6")),
    ("two and a half times 60", calculate("2.5 * 60")),
    ("add 45 + 99, besides tell the days left till the 30th of June, 2028", calculate("45 + 99")),
    ("multiply 54.2 by 92. one more: has this box more than 8 gigs", calculate("54.2 * 92")),
    ("The average of 51, 7 and 225. Good morning! 53 % of 312 kindly", calculate("(51 + 7 + 225) / 3")),
    ("by 2465 I meant 2456", calculate("2456 / 11")),
    ("my two invoices are seven hundred and fifty-one and 6", calculate("751 + 6")),
    ("i had nine sweets and ate nine", calculate("9 - 9")),
    ("a tenth of 10", calculate("10 / 10")),
    ("sum up of 7 and 262 and whats 936.1 times 4", calculate("7 + 262")),
    ("can you add 52 to 75 and 151 days later, what date is it", calculate("75 + 52")),
    ("taking 3419 as 100%, what is 15%", calculate("15% * 3419")),
    ("7 multiplied by itself, 8 factors in all", calculate("7 ^ 8")),
    ("add a quick note with the value of 232 * 93.2", calculate("232 * 93.2")),
    ("25 weeks from 19/03/2026; does 22nd of november fall on a weekend", add_days(175)),
    ("there are 54 mails and 9 percent are spam, then add it", calculate("9% * 54")),
    ("and if I'd like it 12 times", calculate("12 * 12")),
    ("33 Kelvin as a kelvin reading", convert(33, "Kelvin", "kelvin")),
    ("borrowed on 28 August for a month, when must I give it back", add_days(30)),
    ("what is in 12 days? Also the day before yesterday", add_days(12)),
    ("what date is tomorrow, and in 350 days", add_days(1)),
    ("the lines of a.txt shall be: look up", write("a.txt")),
    ("3 weeks ago", add_days(-21)),
    ("go back 12 days from today", add_days(-12)),
    ("in 3 weeks and 2 days", add_days(23)),
    ("twenty-five days from now", add_days(25)),
    ("which date follows two hundred and sixty-two days from now", add_days(262)),
    ("forty days and 2 weeks on", add_days(54)),
    ("days from 3 May to 9 June", between("2026-05-03", "9 June")),
    ("days until 9 June", between("today", "9 June")),
    ("buy milk", write("a.txt")),
    ("put into a.txt what he said", write("a.txt")),
    ("what comes to three dozen at 12", calculate("12 * 36")),
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


CONVERTED = convert(10, "celsius", "fahrenheit")


@pytest.mark.parametrize(
    ("made", "result", "question", "call", "why"),
    [
        (calculate("6 * 7"), "42", "divide that by 3", calculate("6 / 3"), "goes on from 42"),
        (calculate("6 * 7"), "42", "and its square root?", calculate("sqrt(7)"), "goes on from 42"),
        (calculate("6 * 7"), "42", "times ten", calculate("7 * 10"), "goes on from 42"),
        (calculate("6 * 7"), "42", "divide that by 3", calculate("42 / 3"), ""),
        (calculate("6 * 7"), "42", "not that, divide by 3", calculate("6 / 3"), ""),
        (calculate("6 * 7"), "42", "and 8 times 3", calculate("8 * 3"), ""),
        (calculate("6 * 7"), "42", "and with 9", calculate("6 * 9"), ""),
        (Call("read_file", {"path": "a"}), "42", "divide that by 3", calculate("6 / 3"), ""),
        (CONVERTED, "50", "in kelvin?", convert(30, "celsius", "kelvin"), "goes on from 50"),
        (CONVERTED, "50", "in kelvin?", convert(10, "celsius", "kelvin"), ""),
        (CONVERTED, "50", "in kelvin?", convert(50, "fahrenheit", "kelvin"), ""),
        (CONVERTED, "50", "30 in kelvin?", convert(30, "celsius", "kelvin"), ""),
    ],
)
def test_a_question_goes_on_from_the_last_result(
    made: Call, result: str, question: str, call: Call, why: str
) -> None:
    turns = (UserTurn("first"), CallerTurn((made,)), ToolTurn(made.name, result), UserTurn(question))
    transcript = Transcript((), turns)
    doubt = doubt_about(transcript, call)
    assert why in doubt
    assert bool(why) == bool(doubt)
    if made.name == "calculate":
        assert is_settled(transcript, call) == bool(why)


def test_calls_of_a_step_use_the_numbers_of_a_question_together() -> None:
    turns = (
        UserTurn("8 hPa to pascals and 24 / 7"),
        CallerTurn((convert(8, "hPa", "Pa"), calculate("24 / 7"))),
    )
    assert doubt_about(Transcript((), turns), turns[1].calls[1]) == ""
    alone = Transcript((), (turns[0], CallerTurn((calculate("24 / 7"),))))
    assert doubt_about(alone, calculate("24 / 7")) == "the expression leaves out 8"


def test_a_number_may_wait_for_the_call_that_the_thought_announces() -> None:
    question = UserTurn("16 amps at 230 volts makes how many watts, and 80 percent of it?")

    def doubt(thought: str) -> str:
        turns = (question, PlannerTurn(thought, "caller"))
        return doubt_about(Transcript((), turns), calculate("16 * 230"))

    assert not doubt("I will work out 16 * 230 with calculate, then take 80% of it.")
    assert "leaves out 80" in doubt("I will work out 16 * 230 with calculate.")
    assert "leaves out 80" in doubt("I will work out 16 * 230 with calculate, then answer.")


def test_a_thought_that_names_a_tool_that_is_not_on_offer_is_doubtful() -> None:
    call, spec = Call("read_file", {"path": "a.txt"}), ToolSpec("read_file", "Read a file.", {})
    for thought, why in (
        ("I will use send_mail to read it.", "named send_mail, which is no tool on offer"),
        ("I will use read_file on call to_do.txt.", ""),
    ):
        turns = (UserTurn("read a.txt"), PlannerTurn(thought, "caller"), CallerTurn((call,)))
        assert why in doubt_about(Transcript((spec,), turns), call)
        assert bool(why) == bool(doubt_about(Transcript((spec,), turns), call))
    call, spec = Call("time__convert", {}), ToolSpec("time__convert", "Convert a time.", {})
    turns = (UserTurn("now?"), PlannerTurn("I will use time_convert.", "caller"), CallerTurn((call,)))
    assert doubt_about(Transcript((spec,), turns), call) == "", "the models write one underscore for two"


def test_no_call_of_the_generator_is_doubtful() -> None:
    checked = 0
    for row in generate_rows(8, "test", 250):
        turns = row.transcript.turns
        for index, turn in enumerate(turns):
            for call in turn.calls if isinstance(turn, CallerTurn) else ():
                history = Transcript(row.transcript.tools, turns[: index + 1])
                assert doubt_about(history, call) == "", (history.turns[-2:], call)
                checked += 1
    assert checked > 200


LISTED = ToolTurn("list_files", "a.txt\nb.txt\nc.txt\nd.txt")
ALIKE = ToolTurn("list_files", "best.test.txt\ntest.txt\nzeta.txt")
MANY = ToolTurn("list_files", "a.md\nb.md\nbest.test.txt\nc.md\nd.md\ntest.txt\nzeta.txt")
MILES = ToolTurn("convert_units", "8.04672 km")
READ = ToolTurn("read_file", "Meet Ana in ünï.txt")
PLAN = ToolTurn(
    "read_file", "Depart: Friday 19 June, 06:55\nReturn: Tuesday 23 June, 21:30\npassphrase: teal otter"
)
FOUND = ToolTurn("search_text", "keys.txt:2: hook behind the door\nroof.md:2: The roof leaks above rack 3.")
SECONDS = ToolTurn("convert_units", "0.133 minutes")
RESULT = ToolTurn("calculate", "20")
CASE = ToolTurn("read_file", "index.txt: seen at 22:15 (2024.md)")
DAY = ToolTurn("add_days", "2026-06-13 Saturday")
NOTES = ToolTurn("search_notes", "1: dentist on the 4th\n2: liquorice\n3: renewal costs 31 euros")


def exchange(question: str, observation: ToolTurn) -> Transcript:
    call = CallerTurn((Call(observation.name, {}),))
    return Transcript((), (UserTurn(question), call, observation))


UNSUPPORTED = [
    ("5 miles in km", MILES, "5 miles is 8.04672 miles.", "another unit"),
    ("5 miles in km", MILES, "5 km is 8.04672 km.", "another unit"),
    ("read it", READ, "It says: Meet Ana in öná.txt", "stands nowhere"),
    ("read it", READ, "It says: Meet Eva there", "Eva stands nowhere"),
    ("read it", READ, "other.txt says: Meet Ana in ünï.txt", "other.txt stands nowhere"),
    ("read it", READ, "nï.txt says: Meet Ana", "nï.txt stands nowhere"),
    ("read it", CASE, "For witness, index.txt says 22:15.md.", "22:15.md stands nowhere"),
    ("read it", CASE, "It is in 15.md then.", "15.md stands nowhere"),
    ("list them", LISTED, "a.txt\nb.txt\nd.txt", "leaves out c.txt"),
    ("list them", LISTED, "a.txt\nc.txt\nb.txt\nd.txt", "another order"),
    ("list them", MANY, "The files are best.test.txt, zeta.txt.", "leaves out a.md"),
    ("list them", ALIKE, "best.test.txt\nzeta.txt", "leaves out test.txt"),
    ("list them", LISTED, '{"name":"list_files","arguments":{}}', "a call"),
    ("read it", PLAN, "It says:\nDepart: Friday 19 June, 21:30", "no line of what was said"),
    ("read it", PLAN, "It says:\npassphDecember: teal otter", "no line of what was said"),
    ("read it", PLAN, "Return: Tuesday 23 June, 21:30\npassphrase: teal", "no line of what was said"),
    ("read it", PLAN, "It says: Return: Tuesday 23 June, 06:55", "nothing that was said"),
    ("read it", PLAN, 'It has the words "teal and otter".', "is quoted and stands nowhere"),
    ("read it", PLAN, "They leave on 23 July.", "23 Jul is no day that was said"),
    ("read it", PLAN, "They leave in July.", "July stands nowhere"),
    ("read it", PLAN, "They leave on a Monday.", "Monday stands nowhere"),
    ("read it", PLAN, "They are away for seven nights.", "seven follows from nothing"),
    ("read it", PLAN, "It is in trips/plan then.", "trips/plan stands nowhere"),
    ("read it", PLAN, 'The pass is teal otter"},"', "markup of a call"),
    ("where", FOUND, "keys.txt line 2 says: The roof leaks above rack 3.", "no line of what was said"),
    ("read it", READ, "It is Meet Ana," + " and so on and on" * 5, "over and over"),
    ("read it", READ, "It is Meet Ana\nNext: summarizer", "as the planner does"),
    ("7,980 seconds", SECONDS, "7,980 seconds is 0.133 minutes.", "does not hold"),
    ("7 times 3", RESULT, "7 * 3 = 20", "does not hold"),
    ("3 days on", DAY, "That is Friday 2026-06-13.", "Friday stands nowhere"),
    ("my notes", NOTES, "Your notes say: dentist on the 4th; renewal costs 31 euros", "leaves out liquorice"),
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


def test_what_is_shown_does_not_depend_on_the_pieces_that_an_answer_comes_in() -> None:
    right = "It says:\n- Depart: Friday 19 June, 06:55\n"
    answer = f"{right}- passphrase: red otter\nThey return soon."
    for size in (1, 7, len(answer)):
        check = AnswerCheck(exchange("read it", PLAN))
        shown = "".join(check.feed(answer[at : at + size]) for at in range(0, len(answer), size))
        assert shown + check.finish() == f"{right}{PLAN.name} says:\n{PLAN.content}", size


SUPPORTED = [
    ("5 miles in km", MILES, "5 miles is 8.04672 km."),
    ("5 miles in km", MILES, "That is 8.04672 kilometers."),
    ("read it", READ, "It says:\nMeet Ana in ünï.txt"),
    ("list them", LISTED, "The files are:\na.txt\nb.txt\nc.txt\nd.txt"),
    ("the first three", LISTED, "a.txt\nb.txt\nc.txt"),
    ("which name zeta or text", MANY, "best.test.txt\ntest.txt\nzeta.txt"),
    ("what is there of test", MANY, "There are best.test.txt and test.txt."),
    ("is there a c.txt", LISTED, "Yes, c.txt is there."),
    (
        "read it",
        PLAN,
        "It says:\n- Depart: Friday 19 June, 06:55\n- passphrase: teal otter\nI cannot send it.",
    ),
    ("read it", PLAN, "They return on Tuesday, 23 June. It may be two days, or twenty-three."),
    ("read it", PLAN, 'The passphrase is "teal otter".'),
    ("where", FOUND, "keys.txt line 2 says: hook behind the door"),
    ("how many are 12 minus 5", ToolTurn("calculate", "7"), "12 - 5 = 7, so seven are left."),
    ("3 days on", DAY, "That is Saturday, 13 June 2026."),
    ("my notes", NOTES, "Your notes say: dentist on the 4th; liquorice; renewal costs 31 euros"),
    ("read it", CASE, "At 22:15, says 2024.md and index.txt. It is 2 p.m. or so."),
]


@pytest.mark.parametrize(("question", "observation", "answer"), SUPPORTED)
def test_an_answer_that_is_supported_is_passed_on(question: str, observation: ToolTurn, answer: str) -> None:
    check = AnswerCheck(exchange(question, observation))
    shown = "".join(check.feed(letter) for letter in answer) + check.finish()
    assert (shown, check.doubt) == (answer, "")


def test_an_answer_about_an_earlier_result_names_only_its_files() -> None:
    later = (SummarizerTurn("Seen at 22:15."), UserTurn("show it"))
    before = exchange("where is the witness?", CASE)
    assert unsupported("index.txt says 22:15.md.", before.plus(*later)) == (
        "22:15.md stands nowhere in what was said"
    )
    assert unsupported("It is Ana in 2024.md.", before.plus(*later)) == ""
    assert unsupported("Node.js is a runtime.", Transcript((), (UserTurn("what is node?"),))) == ""


def test_what_is_shown_instead_of_an_answer_names_what_the_result_is_of() -> None:
    call = calculate("42 - 30")
    turns = (UserTurn("42 and 30?"), CallerTurn((call,)), ToolTurn("calculate", "12"))
    check = AnswerCheck(Transcript((), turns))
    shown = check.feed("42 + 30 = 12") + check.finish()
    assert shown == "For expression 42 - 30, calculate says: 12"
    check = AnswerCheck(Transcript((), (UserTurn("a week on"), CallerTurn((add_days(7),)), DAY)))
    shown = check.feed("That is a Friday.") + check.finish()
    assert shown == "add_days says: 2026-06-13 Saturday"  # nobody said 7


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
