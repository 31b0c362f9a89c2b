"""Dialogues written by hand become rows: the calls are run, and what does not fit is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.checks.answers.answer_check import unsupported
from agent.errors import InputError
from agent.transcript import CallerTurn, PlannerTurn, SummarizerTurn, ToolTurn, Transcript
from agent.transcript.rows import read_rows
from train.data.checks.validity import faults
from train.data.demonstrations.reading import WORLDS, demonstrated_rows, write_demonstrations

WORLD = """now = 2026-05-18T09:40:00
rows = '''
{rows}
'''
[files]
"fence.md" = "Fence: 34 m\\nPrice: 612 euros\\n"
"""
READ = """ask: what is in fence.md
plan: I will read fence.md with read_file.
call: read_file {"path": "fence.md"}
plan: I have read fence.md.
say: fence.md says:\\n{seen}"""


def world(tmp_path: Path, rows: str) -> Path:
    path = tmp_path / "world.toml"
    path.write_text(WORLD.replace("{rows}", rows), encoding="utf-8")
    return path


def test_calls_are_run_and_their_results_stand_in_the_answer(tmp_path: Path) -> None:
    rewrite = """ask: drop the price from fence.md
plan: I will write fence.md with write_file.
call: write_file {"path": "fence.md", "content": "Fence: 34 m"}
plan: fence.md is written.
say: I wrote it to fence.md."""
    out = tmp_path / "rows.jsonl"
    write_demonstrations(
        [world(tmp_path, f"{rewrite}\n\n{READ}\nask: thanks\nstop: I cannot.")], out, [].append
    )
    written, read = (row.transcript.turns for row in read_rows(out))
    assert isinstance(written[2], CallerTurn)
    assert written[2].calls[0].arguments["content"] == "Fence: 34 m"
    # Each dialogue begins with the files as they are given.
    assert read[3] == ToolTurn("read_file", "Fence: 34 m\nPrice: 612 euros")
    assert read[5] == SummarizerTurn("fence.md says:\nFence: 34 m\nPrice: 612 euros")
    assert read[7] == PlannerTurn("I cannot.", "give up")


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("ask: x\nsay: y", "line 2 of the rows: say cannot follow ask"),
        ("say: y", "say cannot follow a blank line"),
        ("ask: x\nplan: y", "ends without an answer"),
        ("ask: x\nthink: y", "begins with none of ask, plan"),
        ("ask:", "ask without a text"),
        ('ask: x\nplan: y\ncall: read_file {"path"}\nplan: z\nsay: a', "the arguments are no JSON"),
        ("ask: x\nplan: y\ncall: read_file []\nplan: z\nsay: a", "no object"),
        ("ask: x\nplan: y\ncall: open_file {}\nplan: z\nsay: a", "there is no tool open_file"),
        ('ask: x\nplan: y\ncall: read_file {"path": "no.md"}\nplan: z\nsay: a', "no such file: no.md"),
        ('ask: x\nplan: y\nfail: read_file {"path": "fence.md"}\nplan: z\nsay: a', "did not fail"),
    ],
)
def test_a_line_that_cannot_be_run_is_named_and_nothing_is_written(
    tmp_path: Path, rows: str, problem: str
) -> None:
    out = tmp_path / "rows.jsonl"
    with pytest.raises(InputError, match=problem) as error:
        write_demonstrations([world(tmp_path, rows)], out, [].append)
    assert str(tmp_path / "world.toml") in str(error.value)
    assert not out.exists()


@pytest.mark.parametrize(
    "content", ["now = 3", "nows = 1", "x = ", "now = 2026-05-18T09:40:00\nfiles = []", b"\xff"]
)
def test_a_file_that_is_no_world_is_named(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "world.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=r"world\.toml"):
        list(demonstrated_rows(path))


def test_the_demonstrations_that_ship_are_valid_and_their_answers_are_supported() -> None:
    rows = [row for path in sorted(WORLDS.glob("*.toml")) for row in demonstrated_rows(path)]
    assert len({row.id for row in rows}) == len(rows) > 0
    for row in rows:
        turns = row.transcript.turns
        assert not list(faults(row.transcript)), row.id
        for at, turn in enumerate(turns):
            if isinstance(turn, SummarizerTurn):
                told = unsupported(turn.content, Transcript(row.transcript.tools, turns[:at]))
                assert not told, f"{row.id}: {turn.content}"
