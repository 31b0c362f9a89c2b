"""`umi train data check`: valid rows pass, and each fault is found in its line."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import run_train as main
from row_files import Value, check, good, write
from tiny_base import tiny_rows

import train.data.checks.report
from train.data.checks.validity import order_fault
from train.data.rows import write_rows
from train.data.synthetic.generate import generate_rows as synthetic_rows


def test_valid_rows_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(tmp_path / "tiny.jsonl", tiny_rows(8))
    write_rows(tmp_path / "made.jsonl.gz", synthetic_rows(3, "train", 40))
    code, report = check(tmp_path, capsys=capsys)
    assert (code, report["valid"], report["faults"]) == (0, True, [])
    assert report["rows"] == 48
    assert report["files"] == {str(tmp_path / "made.jsonl.gz"): 40, str(tmp_path / "tiny.jsonl"): 8}
    assert report["splits"] == {"train": 48}
    assert report["sources"] == {"synthetic": 40, "tiny": 8}
    assert report["unfinished"] == 0


def change(path: str, value: Any) -> Callable[[Value], None]:
    """Set the field at `turns.2.calls` to `value`; `...` removes it."""

    def apply(row: Any) -> None:
        *before, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        for part in before:
            row = row[part]
        if value is ...:
            del row[last]
        else:
            row[last] = value

    return apply


CALL = {"name": "add", "arguments": {"a": 1, "b": 2}}
REMOTE = {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/schema"}, "b": {}}}


@pytest.mark.parametrize(
    ("path", "value", "where", "kind"),
    [
        ("extra", 1, "", "an unknown field"),
        ("turns.1.nxt", "caller", "turns[1]", "an unknown field"),
        ("turns.2.calls.0.id", "7", "turns[2].calls[0]", "an unknown field"),
        ("tools.0.type", "function", "tools[0]", "an unknown field"),
        (
            "turns.2.accept",
            [{"name": "add", "arguments": {}, "x": 1}],
            "turns[2].accept[0]",
            "an unknown field",
        ),
        ("id", ..., "", "a missing field"),
        ("turns", ..., "", "a missing field"),
        ("turns.0.role", ..., "turns[0]", "a missing field"),
        ("turns.3.name", ..., "turns[3]", "a missing field"),
        ("tools.0.description", ..., "tools[0]", "a missing field"),
        ("schema", 2, "schema", "another schema"),
        ("schema", ..., "schema", "another schema"),
        ("id", 5, "id", "a wrong type or value"),
        ("source", ["a"], "source", "a wrong type or value"),
        ("split", "Train", "split", "a wrong type or value"),
        ("meta", [], "meta", "a wrong type or value"),
        ("tools.0.name", "", "tools[0].name", "a wrong type or value"),
        ("tools.0.parameters", "{}", "tools[0].parameters", "a wrong type or value"),
        ("turns", {}, "turns", "a wrong type or value"),
        ("turns.0.content", None, "turns[0].content", "a wrong type or value"),
        ("turns.1.next", "tool", "turns[1].next", "a wrong type or value"),
        ("turns.2.calls", [], "turns[2].calls", "a wrong type or value"),
        ("turns.2.calls.0.arguments", "{}", "turns[2].calls[0].arguments", "a wrong type or value"),
        ("turns.3.error", 0, "turns[3].error", "a wrong type or value"),
        ("turns.0.role", "assistant", "turns[0]", "an unknown role"),
        ("turns", [], "turns", "nothing to learn"),
        ("turns.0.content", " \n", "turns[0]", "an empty message"),
        ("turns.5.content", "", "turns[5]", "an empty message"),
        ("turns.1.content", "one\ntwo", "turns[1]", "a thought of several lines"),
        ("turns.1.next", "summarizer", "turns[2]", "turns out of order"),
        ("turns.1.next", "give up", "turns[2]", "turns out of order"),
        ("turns.4.next", "caller", "turns[5]", "turns out of order"),
        ("turns.3.name", "echo", "turns[3]", "results that do not match the calls"),
        ("turns.2.calls", [CALL, CALL], "turns[4]", "turns out of order"),
        (
            "turns.2.calls.0.arguments.a",
            "1",
            "turns[2].calls[0].arguments.a",
            "arguments that do not fit the tool",
        ),
        (
            "turns.2.calls.0.arguments.a",
            True,
            "turns[2].calls[0].arguments.a",
            "arguments that do not fit the tool",
        ),
        ("turns.2.calls.0.arguments.c", 1, "turns[2].calls[0]", "arguments that do not fit the tool"),
        (
            "tools.0.parameters.required",
            ["a", "z"],
            "turns[2].calls[0].arguments",
            "arguments that do not fit the tool",
        ),
        ("tools.0.parameters.type", "dict", "tools[0].parameters", "parameters that are no JSON Schema"),
        ("tools.0.parameters.type", "array", "tools[0].parameters", "parameters that are no JSON Schema"),
        ("tools.0.parameters", {}, "tools[0].parameters", "parameters that are no JSON Schema"),
        ("tools.0.parameters", REMOTE, "turns[2].calls[0]", "parameters that are no JSON Schema"),
        ("tools.1.name", "add", "tools[1]", "two tools of one name"),
        ("tools", [], "turns[2].calls[0]", "a call of a tool that is not listed"),
        (
            "turns.2.accept",
            [{"name": "add", "arguments": {"a": [7], "b": [2]}, "optional": []}],
            "turns[2]",
            "calls that `accept` does not take",
        ),
        ("turns.2.accept", [{"name": "add", "arguments": {}, "optional": ["a"]}], "", None),
    ],
)
def test_every_fault_is_reported_with_its_place(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    value: Any,
    where: str,
    kind: str | None,
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the check opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    bad = good()
    change(path, value)(bad)
    file = write(tmp_path / "rows.jsonl", [good(1), bad, good(2)])
    code, report = check(file, capsys=capsys)
    assert code == 2
    assert not report["valid"]
    assert report["faulty_rows"] == 1
    assert {fault["line"] for fault in report["faults"]} == {2}
    if kind:
        assert (where, kind) in [(fault["where"], fault["kind"]) for fault in report["faults"]]
    assert main(["data", "check", str(file)]) == 2
    assert f"{file}, line 2: " in capsys.readouterr().out


@pytest.mark.parametrize("n", [0, 1])
def test_a_missing_or_misplaced_turn_is_a_fault(n: int) -> None:
    turns = tiny_rows(3)[n].transcript.turns
    assert order_fault(turns) is None
    assert order_fault(turns + turns) is None
    for at in range(len(turns) - 1):
        assert order_fault(turns[:at] + turns[at + 1 :]) is not None
        swapped = (*turns[:at], turns[at + 1], turns[at], *turns[at + 2 :])
        assert order_fault(swapped) is not None
        assert order_fault((*turns[: at + 1], turns[at], *turns[at + 1 :])) is not None


def test_an_unfinished_row_is_valid_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = []
    for length in range(2, 7):
        value = good()
        value["turns"] = value["turns"][:length]
        values.append(value)
    code, report = check(write(tmp_path / "rows.jsonl", values), capsys=capsys)
    assert code == 0
    assert report["unfinished"] == 4


def test_a_schema_may_allow_additional_properties(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = good()
    value["tools"][0]["parameters"]["additionalProperties"] = {"type": "number"}
    value["turns"][2]["calls"][0]["arguments"]["c"] = 3
    assert check(write(tmp_path / "rows.jsonl", [value]), capsys=capsys)[0] == 0
    value["turns"][2]["calls"][0]["arguments"]["c"] = "3"
    assert check(write(tmp_path / "rows.jsonl", [value]), capsys=capsys)[0] == 2


def test_damaged_files_are_named_and_the_others_are_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    packed = gzip.compress(json.dumps(good()).encode() + b"\n")
    (folder / "a.jsonl.gz").write_bytes(packed[:-12])
    (folder / "b.jsonl").write_bytes(b"")
    (folder / "c.jsonl").write_bytes(bytes(range(256)))
    (folder / "d.jsonl").write_bytes(b"{}\n\xff\n{\n")
    write(folder / "e.jsonl", [good()])
    code, report = check(folder, capsys=capsys)
    assert code == 2
    found = {(Path(f["file"]).name, f["line"], f["kind"]) for f in report["faults"]}
    assert found == {
        ("a.jsonl.gz", None, "a damaged file"),
        ("b.jsonl", None, "an empty file"),
        ("c.jsonl", None, "a damaged file"),
        ("d.jsonl", 1, "another schema"),
        ("d.jsonl", 2, "not UTF-8"),
        ("d.jsonl", 3, "not JSON"),
    }
    assert report["files"][str(folder / "e.jsonl")] == 1


def test_control_characters_of_rows_are_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = good()
    bad["turns"][2]["calls"][0]["name"] = "\x1b[2Jadd\u202e\n"
    bad["source"] = "\x1b]0;x\x07"
    assert main(["data", "check", str(write(tmp_path / "rows.jsonl", [bad]))]) == 2
    out = capsys.readouterr().out
    assert "\\x1b[2Jadd" in out
    assert not set(out) & set("\x1b\x07\u202e")


def test_faults_beyond_the_limit_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train.data.checks.report, "MAX_LISTED", 3)
    file = write(tmp_path / "rows.jsonl", ["{"] * 10)
    _, report = check(file, capsys=capsys)
    assert len(report["faults"]) == 3
    assert report["fault_kinds"] == {"not JSON": 10}
    main(["data", "check", str(file)])
    out = capsys.readouterr().out
    assert out.count("not JSON: ") == 3
    assert "… and 7 more faults" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-length", "100"], "--base FOLDER"),
        (["--base", ".", "--max-length", "0"], "--max-length is 0"),
        (["--base", "no/such"], "tokenizer.json cannot be used"),
        (["--against", "no/such"], "no/such does not exist"),
        (["no/such"], "no/such does not exist"),
        (["--jsn"], "has no option --jsn; did you mean --json?"),
    ],
)
def test_bad_usage_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    file = write(tmp_path / "rows.jsonl", [good()])
    assert main(["data", "check", str(file), *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err
