"""Dialogues of the generator: what share they are, that they refer back, that their chains are right."""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter
from pathlib import Path

import pytest
from synthetic_intents import ALL_INTENTS

from agent.llama.grammar.grounding import atoms, sources
from agent.tools import ToolContext, Workspace, builtin_tools
from agent.transcript import CallerTurn, PlannerTurn, Row, SummarizerTurn, ToolTurn, UserTurn
from train.data.phrasings import QUESTIONS, normalize
from train.data.synthetic.drawing import draw_restrained
from train.data.synthetic.follow_ups import FOLLOW_UPS
from train.data.synthetic.generate import generate_rows
from train.data.synthetic.group import make_group
from train.data.synthetic.holdout import HELD_OUT_PHRASINGS, held_out
from train.data.synthetic.intents import INTENTS
from train.data.synthetic.memory import Again, Memory
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.toolset import make_toolset
from train.data.synthetic.wording.refusal import refusal

PURE = {"calculate", "convert_units", "days_between", "add_days"}
"""Tools that depend on their arguments alone, but for dates that speak of today or leave out the year."""


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(generate_rows(11, "train", 1000))


def exchanges(row: Row) -> list[list]:
    """Return the turns of a row in exchanges, each from a question to the next."""
    found: list[list] = []
    for turn in row.transcript.turns:
        if isinstance(turn, UserTurn):
            found.append([])
        found[-1].append(turn)
    return found


def test_half_of_the_rows_are_dialogues_of_two_to_five_exchanges(rows: list[Row]) -> None:
    counts = Counter(len(exchanges(row)) for row in rows)
    several = sum(count for size, count in counts.items() if size > 1)
    assert several >= 0.47 * len(rows)
    assert min(counts[size] for size in (2, 3, 4, 5)) > 10
    assert counts[1] > 0.35 * len(rows)


def test_one_row_in_eight_calls_nothing(rows: list[Row]) -> None:
    calm = sum(not any(isinstance(turn, CallerTurn) for turn in row.transcript.turns) for row in rows)
    assert calm >= len(rows) / 8
    assert calm <= len(rows) / 4


def test_four_lists_in_five_are_no_longer_than_the_apps() -> None:
    lists = [len(make_toolset(Sampler(random.Random(seed), "train"), plain=0.6).specs) for seed in range(400)]
    short = sum(size <= 14 for size in lists) / len(lists)
    assert 0.72 < short < 0.9
    assert max(lists) > 20
    assert min(lists) <= 2


def test_every_call_has_the_observation_that_the_tool_gives(rows: list[Row], tmp_path) -> None:
    tools = {tool.name: tool for tool in builtin_tools()}
    context = ToolContext(Workspace(tmp_path), tmp_path / "notes.jsonl")
    checked = 0
    for row in rows:
        waiting: list = []
        for turn in row.transcript.turns:
            if isinstance(turn, CallerTurn):
                waiting = list(turn.calls)
            if not isinstance(turn, ToolTurn):
                continue
            call = waiting.pop(0)
            dates = [str(value) for name, value in call.arguments.items() if name in ("date", "start", "end")]
            if call.name not in PURE or turn.error or not all(re.search(r"\d{4}", date) for date in dates):
                continue
            if set(call.arguments) <= set(tools[call.name].spec.parameters["properties"]):
                assert tools[call.name].run(context, call.arguments) == turn.content
                checked += 1
    assert checked > 150


def test_answers_hold_no_number_that_nothing_gave(rows: list[Row]) -> None:
    """Numbers of an answer, and names with digits, stand in what the user and the tools said before it."""
    for row in rows:
        for at, turn in enumerate(row.transcript.turns):
            if isinstance(turn, SummarizerTurn):
                given, shown = atoms(sources(row.transcript.turns[:at])), atoms([turn.content])
                known = given.numbers | given.words | {name.rpartition("/")[2] for name in given.words}
                # A file of a folder that was listed is known by the name that the list gives it.
                named = {name for name in shown.words if name.rpartition("/")[2] in known}
                assert shown.numbers | shown.words - named <= known, turn.content


def test_the_last_thought_before_a_call_holds_its_numbers(rows: list[Row]) -> None:
    """What a call needs stands in the thought before it, or in the question."""
    for row in rows:
        question = thought = ""
        for turn in row.transcript.turns:
            if isinstance(turn, UserTurn):
                question = turn.content
            elif isinstance(turn, PlannerTurn):
                thought = turn.content
            elif isinstance(turn, CallerTurn):
                for call in turn.calls:
                    for value in call.arguments.values():
                        if isinstance(value, int | float):
                            assert str(abs(value)).removesuffix(".0") in f"{thought} {question}", (
                                call.arguments,
                                thought,
                            )


def test_dialogues_refer_back_in_every_way(rows: list[Row]) -> None:
    made = {turn.content for row in rows for turn in row.transcript.turns if isinstance(turn, PlannerTurn)}
    for mark in ("the last result is", "The same for", "It is ", "The first answer was", "still"):
        assert any(mark in thought for thought in made), mark
    assert len(FOLLOW_UPS) > 40


def test_a_follow_up_applies_only_where_there_is_something_to_refer_to() -> None:
    assert not [name for name, follow in FOLLOW_UPS.items() if follow.applies(Memory())]
    convert = Memory(Again("convert", {"v": "5", "u1": "km", "u2": "miles"}), number="3.1", unit="miles")
    assert FOLLOW_UPS["other_unit"].applies(convert)
    assert not FOLLOW_UPS["time_elsewhere"].applies(convert)


def test_no_question_of_the_training_split_is_a_held_out_phrasing() -> None:
    held = {
        normalize(text)
        for phrasings in QUESTIONS.values()
        for text in phrasings
        if "{" not in text and len(text.split()) > 3 and held_out(text, HELD_OUT_PHRASINGS)
    }
    shared = {normalize(text) for kind in QUESTIONS.values() for text in kind if "{" not in text}
    assert len(held & shared) > 100
    for row in generate_rows(13, "train", 250):
        for turn in row.transcript.turns:
            if isinstance(turn, UserTurn):
                assert normalize(turn.content) not in held


def test_a_refusal_says_what_was_asked() -> None:
    assert refusal("Please book me a flight to Oslo for Friday, thanks!") == (
        "I cannot book you a flight to Oslo for Friday: no tool on offer does that."
    )
    assert refusal("can you email my boss?") == "I cannot email your boss: no tool on offer does that."
    assert refusal("right, delete reports/old.txt") == (
        "I cannot delete reports/old.txt: no tool on offer does that."
    )
    assert refusal("hey, who won the match yesterday?") == (
        'No tool on offer can answer "who won the match yesterday".'
    )


def test_what_a_tool_on_offer_does_is_not_refused(tmp_path: Path) -> None:
    """Of the app's tools, a refused request needs none that is on offer."""
    refused = 0
    for seed in range(12):
        group = make_group(f"lacking {seed}", "train", tmp_path, 0.0, 14, None, 0.5)
        for _ in range(30):
            intent = draw_restrained(group)
            if intent.name in INTENTS:
                assert not any(group.tools.has(tool) for tool in intent.needs), intent.name
                refused += bool(intent.needs)
    assert refused > 40


def test_corrections_call_again_with_what_was_corrected(rows: list[Row]) -> None:
    """The value in place of another stands in the call, and the other one does not."""
    found = 0
    for row in rows:
        for thought, turn in itertools.pairwise(row.transcript.turns):
            if not isinstance(thought, PlannerTurn) or not isinstance(turn, CallerTurn):
                continue
            if corrected := re.match(r"(\d+) in place of (\d+): I will work out ", thought.content):
                (expression,) = turn.calls[0].arguments.values()
                numbers = re.findall(r"[\d.]+", expression)
                assert corrected[1] in numbers
                assert corrected[2] not in numbers
                found += 1
    assert found


def test_a_file_named_in_an_impossible_request_is_left_alone(tmp_path: Path) -> None:
    group = make_group("named", "train", tmp_path, 1.0, 14, None, 0.1)
    kind = ALL_INTENTS["delete_or_move_files"]
    for _ in range(20):
        exchanges = group.run(kind)
        assert exchanges is not None
        (turns, outcome), *rest = exchanges
        assert outcome.gave_up
        assert not rest
        assert not any(isinstance(turn, CallerTurn) for turn in turns)


def test_what_is_missing_is_asked_for() -> None:
    asked = [kind for name, kind in ALL_INTENTS.items() if name.startswith("missing_")]
    assert len(asked) >= 10
    found = 0
    for row in generate_rows(14, "train", 400, plain=1.0, follow_up=0.0):
        turns = row.transcript.turns
        for before, turn in itertools.pairwise(turns):
            if isinstance(before, PlannerTurn) and before.content.endswith("is missing, so I ask for it."):
                assert isinstance(turn, SummarizerTurn)
                assert turn.content.endswith("?")
                found += 1
    assert found > 3
