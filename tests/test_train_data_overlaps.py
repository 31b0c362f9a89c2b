"""What `umi train data check` reports of valid rows: repetition, overlap, lengths and tokens."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from row_files import check, make_row, write
from tiny_base import make_tokenizer, tiny_rows

from agent.prompting import prompt_ids
from agent.prompting.encoding import load_tokenize
from agent.transcript import Row
from train.data.checks.lengths import Lengths
from train.data.rows import write_rows
from train.data.views import view


def test_repeated_rows_name_the_first_and_are_no_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = write(tmp_path / "one.jsonl", [make_row("a", name="1"), make_row("b", name="2")])
    two = write(
        tmp_path / "two.jsonl",
        [make_row("c", name="1"), make_row("a", "valid", name="3"), make_row("a.", name="4")],
    )
    code, report = check(one, two, capsys=capsys)
    assert code == 0
    first = {"file": str(one), "line": 1}
    assert report["repeated"] == {
        "rows": {"count": 1, "some": [{"file": str(two), "line": 2, "first": first}]},
        "ids": {"count": 1, "some": [{"file": str(two), "line": 1, "first": first}]},
    }


def test_overlap_between_splits_is_by_tool_and_by_question(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The order of the lines does not matter: test comes first here.
    values = [
        make_row("what is 1 + 1", "test"),
        make_row("Something else?", "test", "Sum up."),
        make_row("  What IS\n1 + 1? "),
        make_row("what is 2 + 2"),
    ]
    code, report = check(write(tmp_path / "rows.jsonl", values), capsys=capsys)
    assert code == 0
    (overlap,) = report["overlaps"]
    assert overlap["splits"] == ["train", "test"]
    assert overlap["tools"] == ["add"]
    assert (overlap["shared_tools"], overlap["of_tools"]) == (1, 2)
    assert (overlap["shared_rows"], overlap["of_rows"]) == (1, 2)
    assert overlap["some"] == [{"file": str(tmp_path / "rows.jsonl"), "line": 1}]


def test_questions_that_differ_in_more_than_spelling_do_not_overlap(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = [make_row("what is 2 + 2"), make_row("what is 2 - 2", "test", "Sum up.")]
    assert check(write(tmp_path / "rows.jsonl", values), capsys=capsys)[1]["overlaps"] == []


def test_rows_of_against_are_compared_and_not_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = write(tmp_path / "ours.jsonl", [make_row("a"), make_row("b")])
    theirs = write(tmp_path / "theirs.jsonl", [make_row("B!", tool="Sum up."), make_row("c", tool="Sum up.")])
    code, report = check(ours, "--against", theirs, capsys=capsys)
    assert code == 0
    assert report["rows"] == 2
    (overlap,) = report["overlaps"]
    assert overlap["splits"] == ["train", "--against"]
    assert (overlap["shared_tools"], overlap["shared_rows"], overlap["of_rows"]) == (0, 1, 2)
    assert overlap["some"] == [{"file": str(theirs), "line": 1}]


def test_lengths_are_reported_as_quantiles_and_a_histogram() -> None:
    lengths = Lengths()
    for length in [0, 1, 3, 4, 7, 8, *range(100, 194)]:
        lengths.add(length)
    assert lengths.quantiles() == {"0": 0, "25": 118, "50": 143, "75": 168, "95": 188, "99": 192, "100": 193}
    assert lengths.histogram() == [
        (0, 0, 1),
        (1, 1, 1),
        (2, 3, 1),
        (4, 7, 2),
        (8, 15, 1),
        (16, 31, 0),
        (32, 63, 0),
        (64, 127, 28),
        (128, 255, 66),
    ]
    assert len(list(lengths.lines("tokens"))) == 10


def test_token_counts_and_trimming_equal_those_of_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tokenizer(tmp_path)
    tokenize = load_tokenize(tmp_path)
    rows: list[Row] = tiny_rows(12)
    write_rows(tmp_path / "rows.jsonl", rows)
    lengths = [len(prompt_ids(row.transcript, None, tokenize)) for row in rows]
    limit = int(np.median(lengths))
    code, report = check(tmp_path / "rows.jsonl", "--base", tmp_path, "--max-length", limit, capsys=capsys)
    assert code == 0
    assert report["tokens"]["quantiles"]["0"] == min(lengths)
    assert report["tokens"]["quantiles"]["100"] == max(lengths)
    assert sum(count for *_, count in report["tokens"]["histogram"]) == 12
    for name in ("backbone", "planner", "caller", "summarizer"):
        read = view(rows, name, tokenize, limit)
        assert (report["trimmed"][name], report["too_long"][name]) == (read.trimmed, read.too_long)
    assert sum(report["too_long"].values()) > 0


def test_memory_does_not_grow_with_the_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with gzip.open(tmp_path / "rows.jsonl.gz", "wt", compresslevel=1) as file:
        for n in range(500):
            file.write(json.dumps(make_row(f"{n} " + "word " * 5_000, tool=f"Tool {n}.", name=str(n))) + "\n")
    tracemalloc.start()
    try:
        code, report = check(tmp_path / "rows.jsonl.gz", capsys=capsys)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (code, report["rows"]) == (0, 500)
    assert peak < 5_000_000, "12 MB of text were read"
