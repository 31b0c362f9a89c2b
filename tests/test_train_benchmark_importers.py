"""Importers of ToolAlpaca and of the Berkeley function-calling leaderboard: rows to test on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from foreign import (
    QUESTION,
    RAIN,
    api,
    bfcl_folder,
    import_rows,
    imported,
    thinking,
)

from agent.errors import InputError
from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
)
from agent.transcript.rows import read_rows


def test_toolalpaca_instances(tmp_path: Path) -> None:
    log = " I look.\nAction: weather\nAction Input: {}"
    step = [["weather", '{"city": "Oslo"}', log], "rain"]
    ask = [["getDetails", '{"Question": "Where?"}', "Where?\nASSISTANT Action: getDetails"], "Oslo"]
    made = {"input": "Weather in Oslo?\nHint: x", "output": "It rains.", "intermediate_steps": [step]}
    broken = made | {"intermediate_steps": [["weather"]]}
    asked = made | {"intermediate_steps": [ask, step], "Final Thought": "Wet."}
    first, second = imported(tmp_path, "toolalpaca", api(Instances=[made, broken, asked]))
    assert first.transcript.turns == (QUESTION, *thinking("I look.", ""))
    assert (first.id, second.id, second.split) == ("in/Sky-1", "in/Sky-3", "train")
    assert [tool.name for tool in second.transcript.tools] == ["weather", "getDetails"]
    assert first.transcript.tools[0].parameters["properties"]["day"]["type"] == "integer"


def test_toolalpaca_golden_answers_are_a_test_set(tmp_path: Path) -> None:
    needs = {"Action": "weather", "Action_Input": '{"city": ${city from weather}}'}
    golden = [
        [{"Action": "weather", "Action_Input": '{"city": "Oslo", "day": ""}'}, needs],
        [needs],
        [{"Action": "sun", "Action_Input": "{}"}],
    ]
    value = api(Instructions=["Weather in Oslo?", "a", "b"], Golden_Answers=golden)
    value["Function_Description"]["weather"] = value["Function_Description"]["weather"].replace(
        "integer", "string"
    )
    (row,) = imported(tmp_path, "toolalpaca", value, options=("--split", "train"))
    assert row.split == "test"
    turn = row.transcript.turns[2]
    assert isinstance(turn, CallerTurn)
    assert turn.matched_by([RAIN])
    assert turn.matched_by(turn.calls)


def test_bfcl_answers_are_accepted_in_all_their_forms(tmp_path: Path) -> None:
    at = {"place": ["sea", "shore"], "height": ["", 2]}
    truth = [{"sky.weather": {"city": ["Oslo", "Oslo, NO"], "day": ["", 1.0], "at": [at]}}]
    folder = bfcl_folder(tmp_path, "BFCL_v4_simple.json", truth)
    out = tmp_path / "out.jsonl"
    assert import_rows(["bfcl", str(folder), "--out", str(out), "--split", "train"]) == 0
    (row,) = read_rows(out)
    assert (row.split, row.transcript.instruction) == ("test", "Brief.")
    turn = row.transcript.turns[2]
    assert isinstance(turn, CallerTurn)
    for arguments in (
        {"city": "Oslo, NO", "at": {"place": "shore"}},
        {"city": "Oslo", "day": 1, "at": {"place": "sea", "height": 2}},
    ):
        assert turn.matched_by([Call("sky.weather", arguments)])
    assert not turn.matched_by([Call("sky.weather", {"city": "Oslo"})])
    assert turn.matched_by(turn.calls)


@pytest.mark.parametrize(
    ("name", "handed"),
    [("BFCL_v4_live_irrelevance.json", "give up"), ("BFCL_v4_live_relevance.json", "caller")],
)
def test_bfcl_without_answers(tmp_path: Path, name: str, handed: Any) -> None:
    folder = bfcl_folder(tmp_path, name)
    assert import_rows(["bfcl", str(folder / name), "--out", str(tmp_path / "out.jsonl")]) == 0
    (row,) = read_rows(tmp_path / "out.jsonl")
    assert row.transcript.turns == (QUESTION, PlannerTurn("", handed))


def test_bfcl_questions_that_should_have_answers_are_dropped(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 no answer"):
        import_rows(["bfcl", str(bfcl_folder(tmp_path, "BFCL_v4_simple.json")), "--out", str(tmp_path / "o")])
    assert not (tmp_path / "o").exists()
