"""Every importer over published data sets: rows come out, they are schema 1, and test sets stay test sets.

`make test-data DATA=folder` runs it. The folder holds what it finds of: train/llamafactory_glaive_demo,
train/toolrl, train/fireact, test/toolalpaca, test/bfcl, as their authors publish them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from foreign import import_rows

from agent.transcript import CallerTurn, PlannerTurn, Row, row_from_json, row_to_json
from agent.transcript.rows import read_rows

DATA = Path(os.environ.get("UMI_TEST_DATA", "."))
GLAIVE = "train/llamafactory_glaive_demo"


def imported(tmp_path: Path, kind: str, name: str) -> list[Row]:
    """The rows of one file or folder, each of them read back and written again."""
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is not here")
    out = tmp_path / "rows.jsonl"
    assert import_rows([kind, str(DATA / name), "--out", str(out), "--dropped", str(tmp_path / "no")]) == 0
    rows = list(read_rows(out))
    for row in rows:
        assert row_from_json(json.loads(json.dumps(row_to_json(row)))) == row
    assert len({row.id for row in rows}) == len(rows)
    return rows


@pytest.mark.parametrize(
    ("kind", "name", "records", "split"),
    [
        ("sharegpt", f"{GLAIVE}/glaive_toolcall_en_demo.json", 300, "train"),
        ("openai", f"{GLAIVE}/reason_tool_use_demo_50.jsonl", 50, "train"),
        ("sharegpt", f"{GLAIVE}/reason_tool_use_demo_50.jsonl", 50, "train"),
        ("sharegpt", "train/toolrl/rlla_sft.json", 400, "train"),
        ("openai", "train/fireact", 2063, "train"),
        ("toolalpaca", "test/toolalpaca", 214, "test"),
    ],
)
def test_published_files_become_rows(tmp_path: Path, kind: str, name: str, records: int, split: str) -> None:
    rows = imported(tmp_path, kind, name)
    dropped = (tmp_path / "no").read_text().splitlines()
    assert len(rows) + len(dropped) == records
    assert len(rows) > 0.8 * records
    assert {row.split for row in rows} == {split}


def test_thoughts_of_reasoning_data_are_kept_on_one_line(tmp_path: Path) -> None:
    rows = imported(tmp_path, "sharegpt", "train/toolrl/rlla_sft.json")
    last = [[t for t in row.transcript.turns if isinstance(t, PlannerTurn)][-1] for row in rows]
    assert all(turn.content and "\n" not in turn.content and "<" not in turn.content[:1] for turn in last)


@pytest.fixture(scope="module")
def bfcl(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    return imported(tmp_path_factory.mktemp("bfcl"), "bfcl", "test/bfcl")


def test_a_folder_of_questions_and_answers_is_one_test_set(bfcl: list[Row]) -> None:
    assert 3400 < len(bfcl) <= 3451
    assert {row.split for row in bfcl} == {"test"}


def test_reference_calls_are_among_the_accepted_ones(tmp_path: Path, bfcl: list[Row]) -> None:
    rows = [*bfcl, *imported(tmp_path, "toolalpaca", "test/toolalpaca")]
    turns = [turn for row in rows for turn in row.transcript.turns if isinstance(turn, CallerTurn)]
    assert sum(bool(turn.accept) for turn in turns) > 2000
    assert all(turn.matched_by(turn.calls) for turn in turns)


def test_irrelevance_gives_up_and_relevance_calls(bfcl: list[Row]) -> None:
    ends = {
        (row.id.split("/")[0], turn.next)
        for row in bfcl
        if isinstance(turn := row.transcript.turns[-1], PlannerTurn)
    }
    assert ends == {
        ("BFCL_v4_irrelevance", "give up"),
        ("BFCL_v4_live_irrelevance", "give up"),
        ("BFCL_v4_live_relevance", "caller"),
    }
