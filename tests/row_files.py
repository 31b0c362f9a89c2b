"""Files of rows with chosen faults, and `umi train data check` of them, for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes import run_train as main
from tiny_base import tiny_rows

from agent.transcript import row_to_json

Value = dict[str, Any]


def good(n: int = 0) -> Value:
    """Return a valid row with a call, as a JSON object that may be changed."""
    return json.loads(json.dumps(row_to_json(tiny_rows(3)[n])))


def write(file: Path, values: list[Value] | list[str]) -> Path:
    """Write rows, or lines of text, to a JSONL file."""
    lines = [value if isinstance(value, str) else json.dumps(value) for value in values]
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


def check(*argv: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, Value]:
    """Run `umi train data check` and return its exit code and report."""
    code = main(["data", "check", "--json", *map(str, argv)])
    out, _ = capsys.readouterr()
    return code, json.loads(out)


def make_row(question: str, split: str = "train", tool: str = "Add two numbers.", name: str = "x") -> Value:
    value = good()
    value["turns"][0]["content"] = question
    value["tools"] = [{**value["tools"][0], "description": tool}]
    return {**value, "split": split, "id": name}
