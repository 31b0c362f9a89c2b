"""What arguments are made of: copied text stands in the conversation, derived numbers follow from it."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator
from typing import Annotated

import pytest
from grammar_turns import can_write, end_token

from agent.llama.binding.model import Vocabulary
from agent.llama.grammar.constraints import Constraints
from agent.llama.grammar.numbers import day_counts, derivable_numbers, spoken_numbers
from agent.tools import builtin_tools
from agent.tools.base import tool
from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
    Role,
    SummarizerTurn,
    ToolTurn,
    Transcript,
    Turn,
    UserTurn,
    planner_text,
)
from agent.transcript.arguments import Copied, Derived
from train.data.synthetic.generate import generate_rows

SPECS = tuple(one.spec for one in builtin_tools())
KINDS = {one.name: one.kinds for one in builtin_tools()}


@pytest.fixture(scope="module")
def constraints(vocabulary: Vocabulary) -> Constraints:
    return Constraints(vocabulary.grammar_tokenizer(end_token(vocabulary)), KINDS)


def can_call(constraints: Constraints, vocabulary: Vocabulary, said: str | list[Turn], call: Call) -> bool:
    turns = [UserTurn(said)] if isinstance(said, str) else said
    constraint = constraints.start("caller", Transcript(SPECS, tuple(turns)))
    return can_write(constraint, call.line(), vocabulary)


LISTED = [
    UserTurn("what is in it?"),
    ToolTurn("list_files", 'docs/\nMeine Rechnung.txt\nöl "a".md\nb\\c.txt'),
]
COPIED = [
    ("read notes.txt", Call("read_file", {"path": "notes.txt"}), True),
    ("read notes.txt", Call("read_file", {"path": "note.txt"}), False),
    ("read notes.txt", Call("read_file", {"path": "other.txt"}), False),
    ("read notes.txt", Call("read_file", {"path": "notes.txt", "start_line": 2}), True),
    (LISTED, Call("read_file", {"path": "docs/Meine Rechnung.txt"}), True),
    (LISTED, Call("read_file", {"path": 'öl "a".md'}), True),
    (LISTED, Call("read_file", {"path": "b\\c.txt"}), True),
    (LISTED, Call("read_file", {"path": "docs/\nMeine"}), False),
    (LISTED, Call("list_files", {"path": "docs"}), True),
    (LISTED, Call("list_files", {}), True),
    ("where are my ini files", Call("find_files", {"name": "*.ini"}), True),
    ("find Python files", Call("find_files", {"name": "*.py"}), True),
    ("find Python files", Call("find_files", {"name": "*.pyx"}), False),
    ("find errors", Call("search_text", {"query": "ERROR"}), True),
    ("find errors", Call("search_text", {"query": "warning"}), False),
    ("5 mi", Call("convert_units", {"value": 5, "from_unit": "mi", "to_unit": "km"}), True),
    ("5 mi", Call("convert_units", {"value": 5, "from_unit": "mi", "to_unit": "parrots"}), False),
    ("5 mi", Call("convert_units", {"value": 5, "from_unit": "miles", "to_unit": "inches"}), True),
    ("and in Lima?", Call("current_time", {"timezone": "Lima"}), True),
    ("and in Lima?", Call("current_time", {"timezone": "America/Lima"}), True),
    ("and in Lima?", Call("current_time", {"timezone": "Bogota"}), False),
    ("and in Lima?", Call("current_time", {}), True),
    ("save 'hi' as a.txt", Call("write_file", {"path": "a.txt", "content": "any text, 99"}), True),
    ("save 'hi' as a.txt", Call("write_file", {"path": "b.txt", "content": "hi"}), False),
]


@pytest.mark.parametrize(("said", "call", "allowed"), COPIED)
def test_a_copied_argument_stands_in_the_conversation(
    constraints: Constraints, vocabulary: Vocabulary, said: str | list[Turn], call: Call, allowed: bool
) -> None:
    assert can_call(constraints, vocabulary, said, call) == allowed


DERIVED = [
    ("17.5% of 240", Call("calculate", {"expression": "17.5% * 240"}), True),
    ("17.5% of 240", Call("calculate", {"expression": "17.5 / 100 * 240"}), True),
    ("17.5% of 240", Call("calculate", {"expression": "17.5% * 204"}), False),
    ("17.5% of 240", Call("calculate", {"expression": "17.5% * 2400"}), False),
    ("17.5% of 240", Call("calculate", {"expression": "17.5% * 240.5"}), False),
    ("17.5% of 240", Call("calculate", {"expression": "1e240"}), False),
    ("add 1,234 and five", Call("calculate", {"expression": "1234 + 5"}), True),
    ("add 1,234 and five", Call("calculate", {"expression": "1234 + 6"}), False),
    ("add 1,234 and five", Call("calculate", {"expression": "1.234 + 5"}), False),
    ("add 1,25 and five", Call("calculate", {"expression": "1.25 + 5"}), True),
    ("three dozen eggs at 2", Call("calculate", {"expression": "3 * 12 * 2"}), True),
    ("log10 of 5", Call("calculate", {"expression": "log10(5)"}), True),
    ("the average of 4, 8 and 9", Call("calculate", {"expression": "(4 + 8 + 9) / 3"}), True),
    ("the average of 4, 8 and 9", Call("calculate", {"expression": "(4 + 8 + 9) / 4"}), True),
    ("the average of 4, 8 and 9", Call("calculate", {"expression": "(4 + 8 + 9) / 5"}), False),
    ("in 3 weeks", Call("add_days", {"date": "today", "days": 21}), True),
    ("3 weeks ago", Call("add_days", {"date": "today", "days": -21}), True),
    ("in 3 weeks", Call("add_days", {"date": "today", "days": 22}), False),
    ("4.6.2014", Call("add_days", {"date": "2014-06-04", "days": 0}), True),
    ("4.6.2014", Call("add_days", {"date": "2014-06-05", "days": 0}), False),
    ("born the 8 of february 1990", Call("days_between", {"start": "8 february 1990", "end": "now"}), True),
    ("born the 8 of february 1990", Call("days_between", {"start": "befebry 1990", "end": "now"}), False),
    ("an alarm at six thirty", Call("add_days", {"date": "six thirty", "days": 0}), False),
    ("on Feb. 3rd", Call("add_days", {"date": "Feb. 3rd", "days": 0}), True),
    ("on Feb. 3rd", Call("add_days", {"date": "the 3rd of February", "days": 0}), True),
    ("on Feb. 3rd", Call("add_days", {"date": "the of the", "days": 0}), False),
    ("then one hundred and ten days", Call("add_days", {"date": "today", "days": 110}), True),
    ("right, there it might weigh", Call("calculate", {"expression": "8 + 3"}), False),
    ("until 3 May 2031", Call("days_between", {"start": "today", "end": "2031-05-03"}), True),
    ("until 3 May 2031", Call("days_between", {"start": "today", "end": "2032-05-03"}), False),
    ("until Christmas", Call("days_between", {"start": "today", "end": "25 December"}), True),
    ("until Christmas", Call("days_between", {"start": "today", "end": "27 December"}), False),
    ("seventy-two mi", Call("convert_units", {"value": 72, "from_unit": "mi", "to_unit": "km"}), True),
    ("seventy-two mi", Call("convert_units", {"value": 27, "from_unit": "mi", "to_unit": "km"}), False),
    ("note: pay 40 to Ana", Call("add_note", {"text": 'pay "40" to\tAna\n'}), True),
    ("note: pay 40 to Ana", Call("add_note", {"text": "pay 400 to Ana"}), False),
]


@pytest.mark.parametrize(("said", "call", "allowed"), DERIVED)
def test_the_numbers_of_a_derived_argument_follow_from_the_conversation(
    constraints: Constraints, vocabulary: Vocabulary, said: str, call: Call, allowed: bool
) -> None:
    assert can_call(constraints, vocabulary, said, call) == allowed


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("two hundred and five", {"200", "205", "5", "2"}),
        ("twenty-two", {"22"}),
        ("four hundred eighty-five and five", {"485", "5"}),
        ("three thousand two hundred", {"3000", "3200"}),
        ("2.5 million, 40k", {"2500000", "40000"}),
        ("the third of sixx", {"3", "6"}),
    ],
)
def test_numbers_in_words(text: str, numbers: set[str]) -> None:
    assert numbers <= spoken_numbers(text)


def test_the_cells_of_a_table_are_numbers_and_a_decimal_comma_is_one() -> None:
    assert {"7.5", "21", "11", "6"} <= derivable_numbers(["Braunston,11,6\nNapton,7.5,21,"])
    assert {"58", "720"} <= derivable_numbers(["goals,minutes\n58,720"])
    assert {"58", "720"}.isdisjoint(derivable_numbers(["goals\n58,720"]))
    assert "3.5" in derivable_numbers(["3,5 litres"])
    assert "35" not in derivable_numbers(["3,5 litres"])
    assert "3" not in derivable_numbers(["3,5 litres"])


def test_numbers_that_were_not_said_do_not_follow() -> None:
    assert {"9", "43", "1000"}.isdisjoint(derivable_numbers(["half of 42 and a week"]))
    assert {8, 20, 22, 30}.isdisjoint(day_counts(["three weeks"]))
    assert {10, 11, 183} <= day_counts(["a week and a half", "half a year"])
    assert 17 in day_counts(["two weeks and 3 days"])


def test_calls_are_of_the_tools_that_the_thought_names(
    constraints: Constraints, vocabulary: Vocabulary
) -> None:
    listed, told = Call("list_files", {}).line(), Call("system_info", {}).line()
    for thought, allowed in (
        ("I will list them with list_files.", {listed, f"{listed}\n{listed}"}),
        ("I will use list_files and system_info.", {listed, told, f"{listed}\n{told}", f"{told}\n{listed}"}),
        ("I will use my_list_files.", {listed, told, f"{listed}\n{told}"}),
    ):
        turns = (UserTurn("list the notes"), PlannerTurn(thought, "caller"))
        for text in (listed, told, f"{listed}\n{told}"):
            constraint = constraints.start("caller", Transcript(SPECS, turns))
            assert can_write(constraint, text, vocabulary) == (text in allowed)


def test_a_tool_of_ones_own_says_what_its_arguments_are(vocabulary: Vocabulary) -> None:
    @tool(may="read")
    def pay(to: Annotated[str, Copied()], amount: Annotated[float, Derived("number")], why: str = "") -> str:
        """Pay somebody."""
        return f"{to} {amount} {why}"

    end = end_token(vocabulary)
    constraints = Constraints(vocabulary.grammar_tokenizer(end), {"pay": pay.kinds})
    transcript = Transcript((pay.spec,), (UserTurn("pay Ana 40"),))
    for arguments, allowed in [
        ({"to": "Ana", "amount": 40}, True),
        ({"to": "Ana", "amount": 40, "why": "anything, 7"}, True),
        ({"to": "Eva", "amount": 40}, False),
        ({"to": "Ana", "amount": 400}, False),
    ]:
        constraint = constraints.start("caller", transcript)
        assert can_write(constraint, Call("pay", arguments).line(), vocabulary) == allowed
    assert "amount" in pay.spec.parameters["properties"]
    assert "Copied" not in pay.spec.line()


def before(row_turns: tuple[Turn, ...], tools: tuple, kind: type) -> Iterator[tuple[Transcript, Turn]]:
    for index, turn in enumerate(row_turns):
        if isinstance(turn, kind):
            yield Transcript(tools, row_turns[:index]), turn


def test_every_turn_of_the_generator_can_be_written(constraints: Constraints, vocabulary: Vocabulary) -> None:
    written = 0
    for row in itertools.chain(generate_rows(3, "test", 30), generate_rows(4, "train", 40)):
        transcript = row.transcript
        roles: list[tuple[Role, type]] = [
            ("planner", PlannerTurn),
            ("caller", CallerTurn),
            ("summarizer", SummarizerTurn),
        ]
        for role, kind in roles:
            for history, turn in before(transcript.turns, transcript.tools, kind):
                match turn:
                    case CallerTurn(calls):
                        text = "\n".join(call.line() for call in calls)
                    case PlannerTurn(content, next_):
                        text = planner_text(content, next_)
                    case _:
                        assert isinstance(turn, SummarizerTurn)
                        text = turn.content
                constraint = constraints.start(role, history, grounded=True)
                assert can_write(constraint, text, vocabulary), (text, history.turns[-1])
                written += 1
    assert written > 300


def test_calls_and_thoughts_with_another_number_cannot_be_written(
    constraints: Constraints, vocabulary: Vocabulary
) -> None:
    """A digit of a call or a thought is changed so that nothing in the conversation accounts for it."""
    chance = random.Random(5)
    tried = refused = 0
    for row in generate_rows(6, "test", 60):
        for index, turn in enumerate(row.transcript.turns):
            if not isinstance(turn, PlannerTurn | CallerTurn):
                continue
            role: Role = "planner" if isinstance(turn, PlannerTurn) else "caller"
            text = (
                planner_text(turn.content, turn.next)
                if isinstance(turn, PlannerTurn)
                else "\n".join(call.line() for call in turn.calls)
            )
            numbers = list(re.finditer(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])", text))
            if not numbers or any(word in text for word in ("start_line", "content")):
                continue
            if isinstance(turn, CallerTurn) and any(call.name not in KINDS for call in turn.calls):
                continue
            place = chance.choice(numbers)
            other = str(chance.randrange(10_000, 99_999))
            history = Transcript(row.transcript.tools, row.transcript.turns[:index])
            constraint = constraints.start(role, history, grounded=True)
            tried += 1
            refused += not can_write(
                constraint, text[: place.start()] + other + text[place.end() :], vocabulary
            )
    assert tried > 50
    assert refused == tried
