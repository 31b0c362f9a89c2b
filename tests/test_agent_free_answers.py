"""Answers that no grammar holds to their sources: a note tells what nothing supports; no right one has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.checks.answers.free_answers import LoopWatch, unsupported_note
from agent.checks.answers.loops import ending_loop
from agent.engine import ScriptedEngine
from agent.events import AnswerDelta, Finished
from agent.loop import Agent
from agent.setup import make_toolbox
from agent.transcript import Call, CallerTurn, SummarizerTurn, ToolTurn, Transcript, UserTurn
from train.data.synthetic.generate import generate_rows

RESULT = ToolTurn("calculate", "1234.5678")
SUM = ToolTurn("calculate", "36")
DAY = ToolTurn("add_days", "2026-06-13 Saturday")
TIME = ToolTurn("current_time", "2026-06-13 Saturday 14:05:33, Europe/Paris")
FILES = ToolTurn("list_files", "a.txt\nnotes/\nplan.md\nreport2.txt")
TEXT = ToolTurn(
    "read_file", "# Trip\nDepart: Friday 19 June, 06:55\nReturn: Tuesday 23 June, 21:30\npay `x` 12 €"
)
PACKAGE = ToolTurn("read_file", '{"name": "umi", "version": "1.2.3"}')
SHARE = ToolTurn("calculate", "0.125")

UNSUPPORTED = [
    ("what is it", RESULT, "The result is 1,243.57.", "1,243.57 stands nowhere"),
    ("what is it", RESULT, "The result is **1235.5678**.", "1235.5678 stands nowhere"),
    ("what is it", RESULT, "The result is about 1500.", "1500 stands nowhere"),
    ("what is it", RESULT, "It is -1234.5678.", "-1234.5678 stands nowhere"),
    ("12 times 3", SUM, "12 \N{MULTIPLICATION SIGN} 3 = 38", "38 stands nowhere"),
    ("12 times 3", SUM, "36 plus 7 = 43 is the answer.", "7 stands nowhere"),
    ("a week on", DAY, "That is 2026-06-14.", "2026-06-14 is no date"),
    ("a week on", DAY, "That is 14/06/2026.", "14/06/2026 is no date"),
    ("a week on", DAY, "That is June 14, 2026.", "14 stands nowhere"),
    ("a week on", DAY, "It is a Sunday.", "Sunday stands nowhere"),
    ("what time is it", TIME, "It is 3:05 PM in Paris.", "3:05 PM is no time"),
    ("what time is it", TIME, "It is 14:33 in Paris.", "14:33 is no time"),
    ("what time is it", TIME, "It is 14:05 in London.", "London stands nowhere"),
    ("list them", FILES, "There are 5 entries here.", "5 stands nowhere"),
    ("list them", FILES, "There are:\n\n- `a.txt`\n- `plans.md`\n", "plans.md stands nowhere"),
    ("list them", FILES, "a.txt, notes/ and report2.txt", "leaves out plan.md"),
    ("read it", TEXT, "It says:\n\n> Depart: Friday 19 June, 21:30", "no line of what was said"),
    ("read it", TEXT, 'It says "Return: Friday 19 June".', "is quoted and stands nowhere"),
    ("list them", FILES, '{"name": "list_files", "arguments": {}}', "holds a call"),
    ("read it", TEXT, "Depart Friday. " * 5, "over and over"),
]


def history(question: str, observation: ToolTurn) -> Transcript:
    call = CallerTurn((Call(observation.name, {}),))
    return Transcript((), (UserTurn(question), call, observation))


@pytest.mark.parametrize(("question", "observation", "answer", "why"), UNSUPPORTED)
def test_what_nothing_supports_is_told_with_the_result(
    question: str, observation: ToolTurn, answer: str, why: str
) -> None:
    first, _, rest = unsupported_note(answer, history(question, observation)).partition("\n")
    assert first.startswith("This answer is not supported: ")
    assert why in first
    told = "" if observation.content in answer else observation.content
    assert rest.removeprefix(f"{observation.name} says:").strip() == told


SUPPORTED = [
    ("what is it", RESULT, "The result is 1,234.5678, or **1234.57** rounded: about 1,200."),
    ("what is 12 times three", SUM, "12 \N{MULTIPLICATION SIGN} 3 = 36"),
    ("what is 12 times 3", SUM, "1. Multiply 12 by 3.\n2. You get 36.\n\nStep 3: done."),
    ("12 times 3 minus 30, then 10% of it", SUM, "First 12 * 3 = 36, then 36 - 30 = 6."),
    ("a share", SHARE, "That is 12.5% of it."),
    ("a fortnight on", DAY, "14 days on it is Saturday, June 13th, 2026 (13/06/2026)."),
    ("what time is it", TIME, "It is 2:05 PM in Paris, or 14:05."),
    ("it begins at 3 pm", ToolTurn("read_file", "no change"), "It begins at 15:00."),
    (
        "list them",
        FILES,
        "You have 4 entries:\n\n1. **a.txt**\n2. notes/\n3. `plan.md`\n4. report2.txt\n\nBye!",
    ),
    ("read it", TEXT, "The file contains:\n\n- **Depart:** a Friday\n- the way back\n\nShall I go on?"),
    ("read it", TEXT, "```\n# Trip\nDepart: Friday 19 June, 06:55\n```\nYou pay `x` 12 €."),
    ("read it", PACKAGE, 'It says:\n{"name": "umi", "version": "1.2.3"}'),
    ("read it", TEXT, "You leave on 19 June at 6:55 and are back on 23 June, e.g. for work."),
]


@pytest.mark.parametrize(("question", "observation", "answer"), SUPPORTED)
def test_a_supported_answer_has_no_note(question: str, observation: ToolTurn, answer: str) -> None:
    assert unsupported_note(answer, history(question, observation)) == ""


def test_an_answer_without_a_result_is_told_to_be_cut_or_wrong_by_itself() -> None:
    asked = Transcript((), (UserTurn("who was Ada?"),))
    assert unsupported_note("Ada Lovelace, born in 1815.", asked) == ""
    assert unsupported_note("She is 36, for 1852 - 1815 - 1 = 36.", asked) == ""
    wrong = "42.195 * 0.621 = 27.315"
    assert (
        unsupported_note(f"So, {wrong} miles.", asked)
        == f"This answer is not supported: {wrong} does not hold."
    )
    assert (
        unsupported_note("Ada Lovel", asked, cut=True)
        == "This answer is not supported: it was cut at its length."
    )


@pytest.mark.parametrize(
    ("part", "times", "length"),
    [
        ("I hope you're well. ", 20, 160),
        ("I hope you're well. ", 7, 0),
        ("- One item\n- Another one\n", 20, 160),
        ("x", 200, 160),
        ("0, ", 50, 0),
        ("| --- ", 60, 0),
        ("\n" * 285, 5, 0),
        ("An item" + "\n" * 285, 5, 1168),
        ("An item" + "\n" * 300, 5, 0),
        ("It is so, and so, and so again, and more so, as it was said before it was said to be so. ", 4, 356),
        ("".join(f"{number} is a number. " for number in range(99)), 2, 0),
    ],
)
def test_a_loop_at_the_end_is_found(part: str, times: int, length: int) -> None:
    assert ending_loop("") == ""
    assert len(ending_loop("Hello! " + part * times)) == length


def test_a_free_answer_that_loops_is_not_written_on(tmp_path: Path) -> None:
    said = "ditto ditto " * 40
    engine = ScriptedEngine(
        ["\nNext: summarizer", "Well. " + "I am fine. " * 200, "\nNext: summarizer", said]
    )
    agent = Agent(engine, make_toolbox(tmp_path))
    conversation = agent.begin()
    last = agent.ask(conversation, "how are you?")
    assert last.reason == "answered"
    assert last.stats["summarizer"].generated < 60
    assert last.unsupported == "This answer is not supported: it says the same over and over."
    assert agent.ask(conversation, f"repeat: {said}").answer == said.strip()


def test_no_answer_of_the_generator_has_a_note() -> None:
    checked = 0
    for row in generate_rows(10, "test", 120):
        turns = row.transcript.turns
        for index, turn in enumerate(turns):
            if isinstance(turn, SummarizerTurn):
                before = Transcript(row.transcript.tools, turns[:index])
                assert unsupported_note(turn.content, before) == "", (turn.content, before.turns[-3:])
                checked += 1
    assert checked > 120


@pytest.mark.parametrize("grounded", [False, True])
def test_the_answer_streams_as_it_is_written_and_the_end_tells(tmp_path: Path, *, grounded: bool) -> None:
    script = ["\nNext: caller", Call("calculate", {"expression": "12 + 30"}).line(), "\nNext: summarizer"]
    answer = "The sum of\nthese is forty-three."
    engine = ScriptedEngine([*script, answer], grounded_answers=grounded)
    agent = Agent(engine, make_toolbox(tmp_path))
    conversation = agent.begin()
    events = list(agent.run(conversation, "12 + 30?"))
    last = events[-1]
    assert isinstance(last, Finished)
    written = "".join(event.text for event in events if isinstance(event, AnswerDelta))
    assert written == last.answer
    result = "For expression 12 + 30, calculate says: 42"
    if grounded:
        assert (last.answer, last.unsupported) == (f"The sum of\n{result}", "")
    else:
        why = "forty-three follows from nothing that was said"
        assert (last.answer, last.unsupported) == (answer, f"This answer is not supported: {why}.\n{result}")
    assert conversation.transcript.turns[-1] == SummarizerTurn(last.answer)


def test_where_a_loop_ends_an_answer_does_not_depend_on_its_pieces() -> None:
    answer = "The list:" + " Depart on Friday, return on Monday." * 20
    ends: set[str] = set()
    for size in (1, 7, 60, len(answer)):
        watch = LoopWatch(Transcript((), (UserTurn("tell me"),)))
        shown = "".join(watch.feed(answer[at : at + size]) for at in range(0, len(answer), size))
        assert watch.loops
        assert watch.text == shown
        ends.add(shown)
    assert len(ends) == 1
