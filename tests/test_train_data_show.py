"""`umi train data show`: the highlighted part is the targets of training; control characters are escaped."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import run_train as main
from tiny_base import make_tokenizer, tiny_rows

from agent.prompting import CHATML, segment
from agent.prompting.encoding import encode, load_tokenize, view_roles
from agent.transcript import Row, Transcript, UserTurn, row_to_json
from train.data.rows import write_rows
from train.data.show import split_by_target
from train.recipe import STAGES

ROOT = Path(__file__).parent.parent
LEARNT = re.compile("«(.*?)»", re.DOTALL)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Eight rows; those in lines 4 and 8 call nothing."""
    file = tmp_path / "rows.jsonl"
    write_rows(file, tiny_rows(8))
    return file


def shown(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    assert main(["data", "show", *map(str, argv)]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", STAGES)
def test_the_highlighted_part_is_what_training_learns(tmp_path: Path, name: str) -> None:
    make_tokenizer(tmp_path)
    tokenize = load_tokenize(tmp_path)
    for row in tiny_rows(4):
        parts = split_by_target(row.transcript, name)
        encoded = encode(row.transcript, view_roles(name), tokenize)
        if not encoded.targets:
            assert parts == []
            continue
        ids: list[int] = []
        learn: list[bool] = []
        for text, target in parts:
            content, close = text.removesuffix(CHATML.close), text.endswith(CHATML.close)
            part = tokenize(content, text.startswith(CHATML.open)) + tokenize(CHATML.close, True) * close
            ids += part
            learn += [target] * len(part)
        read = encoded.ids[: len(ids)].tolist()
        assert ids == read
        assert [at for at, target in enumerate(learn) if target] == encoded.target_positions.tolist()


def test_without_colour_targets_are_marked(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, rows, "--count", 1)
    turns = tiny_rows(1)[0].transcript.turns
    assert LEARNT.findall(out) == [f"{segment(turns[at]).content}<|im_end|>" for at in (1, 2, 4, 5)]
    assert "<|im_start|>system\n" in out
    assert f"== {rows}, line 1 | train-0 | tiny | train" in out
    assert "\x1b" not in out


def test_a_role_sees_its_own_turns_and_nothing_after_them(
    rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shown(capsys, rows, "--role", "caller", "--count", 1)
    assert LEARNT.findall(out) == ['{"name":"add","arguments":{"a":0,"b":2}}<|im_end|>']
    assert out.endswith("<|im_end|>»\n\n")
    assert "<|im_start|>planner\nI need the sum.\nNext: caller<|im_end|>\n" in out


def test_rows_without_a_turn_of_the_role_are_passed_over(
    rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shown(capsys, rows, "--role", "caller", "--count", 100)
    assert [int(n) for n in re.findall(r"line (\d+) \|", out)] == [1, 2, 3, 5, 6, 7]
    assert shown(capsys, rows).count("== ") == 3


def test_one_line_is_shown(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, rows, "--line", 3)
    assert "line 3 | train-2" in out
    assert out.count("== ") == 1


def test_with_a_base_the_tokens_are_those_of_training(
    tmp_path: Path, rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tokenizer(tmp_path)
    out = shown(capsys, rows, "--role", "planner", "--line", 1, "--base", tmp_path)
    encoded = encode(tiny_rows(1)[0].transcript, ("planner",), load_tokenize(tmp_path))
    assert f"| {encoded.target_positions[-1] + 1} tokens, {encoded.targets} targets\n" in out


class Terminal(io.StringIO):
    """A stream at which a person sits."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("options", "settings", "terminal", "dimmed"),
    [
        ([], {}, True, True),
        ([], {}, False, False),
        ([], {"NO_COLOR": "1"}, True, False),
        ([], {"TERM": "dumb"}, True, False),
        (["--color", "never"], {}, True, False),
        (["--color", "always"], {"NO_COLOR": "1"}, False, True),
    ],
)
def test_what_is_no_target_is_dimmed_where_that_is_wanted(
    rows: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    settings: dict[str, str],
    terminal: bool,
    dimmed: bool,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in ({"TERM": "xterm"} | settings).items():
        monkeypatch.setenv(name, value)
    out = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["data", "show", str(rows), "--count", "1", *options]) == 0
    text = out.getvalue()
    assert ("\x1b[2m<|im_start|>planner\x1b[0m\nI need the sum.\nNext: caller<|im_end|>" in text) is dimmed
    assert ("«" in text) is not dimmed
    # Every line is dimmed by itself: none is left to the next one.
    assert all(line.count("\x1b[2m") == line.count("\x1b[0m") for line in text.split("\n"))


def test_control_characters_of_rows_are_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = tiny_rows(1)[0]
    turns = (UserTurn("\x1b[2J\r\x07\u202e\x9b1m\ttab"), *row.transcript.turns[1:])
    evil = Row("\x1b]0;x\x07", "a\nb", "train", Transcript(row.transcript.tools, turns))
    write_rows(tmp_path / "rows.jsonl", [evil])
    out = shown(capsys, tmp_path / "rows.jsonl")
    assert "\\x1b[2J\\r\\x07\\u202e\\x9b1m\ttab" in out
    assert not set(out) & set("\x1b\x07\r\u202e\x9b")
    assert out.startswith("== ")
    assert "| a b |" in out


@pytest.mark.parametrize("command", ["show", "check"])
def test_a_closed_pipe_ends_the_command_quietly(rows: Path, command: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        argv = [sys.executable, "-W", "error", "-m", "tui", "train", "data", command, str(rows)]
        done = subprocess.run(argv, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60)
    finally:
        os.close(writing)
    assert done.returncode == 141
    assert "Error" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--line", "9"], "has no row in line 9"),
        (["--line", "4", "--role", "caller"], "there is no turn of the caller to train on in line 4"),
        (["--count", "0"], "--count is 0"),
        (["--role", "caler"], "invalid choice: 'caler'"),
        (["."], "holds no file named"),
        (["--base", "."], "tokenizer.json cannot be used"),
    ],
)
def test_bad_usage_is_one_line(
    rows: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    message: str,
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert main(["data", "show", str(rows), *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err


def test_a_row_of_another_form_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(row_to_json(tiny_rows(1)[0]) | {"id": 5}))
    assert main(["data", "show", str(file)]) == 2
    assert f"{file}, line 1: id is 5, not text" in capsys.readouterr().err
