"""The generator: requests of several steps, files compared, and requests that lack something."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.transcript import CallerTurn, PlannerTurn, ToolTurn, Turn, UserTurn
from train.data.synthetic.group import make_group
from train.data.synthetic.intents import INTENTS
from train.data.synthetic.script import Outcome

CHAINS = [
    name
    for name in INTENTS
    if INTENTS[name].script.__module__ == "train.data.synthetic.intents.multi_step.chains"
]
LACKING = ("missing_operand", "missing_info", "missing_path", "missing_start")


def exchanges(folder: Path, name: str, count: int) -> Iterator[tuple[list[Turn], Outcome]]:
    """Yield the first exchange of an intent in several worlds."""
    found = 0
    for seed in range(60):
        group = make_group(f"{name}{seed}", "train", folder, 1.0, 30, None, 0.0)
        if run := group.run(INTENTS[name]):
            yield run[0]
            found += 1
        if found == count:
            return


def test_each_thought_of_a_chain_names_what_is_left_until_nothing_is(tmp_path: Path) -> None:
    assert len(CHAINS) > 50
    for name in CHAINS[::8]:
        for turns, _ in exchanges(tmp_path, name, 2):
            acts = [turn.content for turn in turns if isinstance(turn, PlannerTurn) and turn.next == "caller"]
            assert len(acts) > 1, name
            assert all(", then " in act for act in acts[:-1]), acts
            assert ", then " not in acts[-1]


@pytest.mark.parametrize(
    "name", ["total_then_shared", "measure_then_unit", "series_then_noted", "add_then_written"]
)
def test_the_answer_of_a_chain_has_what_both_steps_gave(tmp_path: Path, name: str) -> None:
    for _, outcome in exchanges(tmp_path, name, 3):
        assert outcome.expects
        assert not outcome.gave_up
        assert outcome.expects[0] in outcome.answer


def test_files_that_are_compared_are_all_read_before_the_answer(tmp_path: Path) -> None:
    for name in ("each_of_series", "best_of_series", "value_of_both", "more_of_both"):
        for turns, outcome in exchanges(tmp_path, name, 3):
            read = [call for turn in turns if isinstance(turn, CallerTurn) for call in turn.calls]
            assert sum(call.name == "read_file" for call in read) >= 2
            seen = " ".join(turn.content for turn in turns if isinstance(turn, ToolTurn))
            assert any(value in seen for value in outcome.expects)


@pytest.mark.parametrize("name", LACKING)
def test_what_is_missing_is_asked_for_before_any_call(tmp_path: Path, name: str) -> None:
    for turns, outcome in exchanges(tmp_path, name, 3):
        assert isinstance(turns[0], UserTurn)
        assert not any(isinstance(turn, CallerTurn) for turn in turns)
        assert outcome.answer.endswith("?")


def test_a_second_request_stands_in_the_first_thought_in_its_own_words(tmp_path: Path) -> None:
    for turns, _ in exchanges(tmp_path, "both", 4):
        first = next(turn for turn in turns if isinstance(turn, PlannerTurn))
        assert isinstance(turns[0], UserTurn)
        assert first.content.rpartition(", then ")[2].rstrip(".").lower() in turns[0].content.lower()
