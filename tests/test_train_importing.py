"""`umi train data import`: files of every shape, damaged files, wrong use, and its report."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest
from foreign import (
    CALLING,
    SAID,
    WEATHER,
    api,
    bfcl_folder,
    import_rows,
    imported,
    openai_chat,
    paper_row,
    sharegpt_chat,
    toolbench_answer,
)

from agent.errors import InputError
from agent.transcript import (
    Row,
    row_from_json,
    row_to_json,
)
from agent.transcript.formats.conversion import Conversation, UnusableRecordError
from agent.transcript.formats.reading import Record, Unreadable, read_records
from agent.transcript.rows import read_rows
from train.data.importers import IMPORTERS
from train.data.importing import row_of

VALUES = [openai_chat(id=str(n), n="x" * n * 7000) for n in range(30)]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "spell",
    [
        lambda values: json.dumps(values),
        lambda values: json.dumps(values, indent=4),
        lambda values: "\n".join(map(json.dumps, values)),
        lambda values: "\ufeff\r\n" + "\r\n\r\n".join(map(json.dumps, values)) + "\n",
    ],
    ids=["array", "pretty", "lines", "windows"],
)
def test_files_of_every_shape_give_the_same_rows(tmp_path: Path, spell: Any, packed: bool) -> None:
    file = tmp_path / "data.bin"
    data = spell(VALUES).encode()
    file.write_bytes(gzip.compress(data) if packed else data)
    assert import_rows(["openai", str(file), "--out", str(tmp_path / "out")]) == 0
    assert [row.id for row in read_rows(tmp_path / "out")] == [f"data/{n}" for n in range(30)]


def test_an_array_is_read_an_element_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "long.json"
    good = json.dumps(openai_chat())
    file.write_text("[" + ",".join([good] * 3000) + ', {"broken": }, ' + good + "]")
    records = read_records(file)
    assert isinstance(next(records), Record)
    *rest, last = records
    assert len(rest) == 2999
    assert isinstance(last, Unreadable)
    assert last.number == 3001


@pytest.mark.parametrize(
    ("content", "kinds"),
    [
        ('[{"a": 1}, 12', "RRU"),
        ("[", "U"),
        ("[]", ""),
        ("", ""),
        ("  \n\n", ""),
        ('{"a": 1}\n{"a": \n{"a": 3}\n', "RUR"),
        ('{"a": 1\n{"a": 2}\n', "UR"),
        ('{\n"a": 1\n}\n', "R"),
        ('{"a": NaN}\n{"a": 1}\n', "UR"),
        ('[{"a": "' + "x" * 300_000 + '"}, 1234567]', "RR"),
        ("[" * 200_000, "U"),
        ('{"a":' * 200_000 + "\n{}", "UR"),
    ],
)
def test_broken_json_drops_only_its_own_record(tmp_path: Path, content: str, kinds: str) -> None:
    file = tmp_path / "f"
    file.write_text(content)
    assert "".join(type(record).__name__[0] for record in read_records(file)) == kinds


def test_a_gzip_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    file = tmp_path / "f.jsonl.gz"
    file.write_bytes(gzip.compress(json.dumps(VALUES[1]).encode())[:-20])
    with pytest.raises(InputError, match=r"f\.jsonl\.gz cannot be read"):
        import_rows(["openai", str(file), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_a_folder_is_read_in_order_and_equal_names_stay_apart(tmp_path: Path) -> None:
    for name in ("b/data.json", "a/data.jsonl", "a/.hidden.json", "a/notes.txt"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(json.dumps(openai_chat()))
    assert import_rows(["openai", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    assert [row.id for row in read_rows(tmp_path / "out")] == ["a/data/1", "b/data/1"]


def bad_call(**arguments: Any) -> dict[str, Any]:
    value = openai_chat()
    value["messages"][1]["tool_calls"][0]["function"]["arguments"] = json.dumps(arguments)
    return value


def without(*at: int) -> dict[str, Any]:
    value = openai_chat()
    return value | {"messages": [m for n, m in enumerate(value["messages"]) if n not in at]}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (openai_chat(tools=[]), "a call of a tool that is not listed: turns[2].calls[0]: weather"),
        (
            bad_call(city=["Oslo"]),
            "arguments that do not fit the tool: turns[2].calls[0].arguments.city: ",
        ),
        (
            bad_call(),
            "arguments that do not fit the tool: turns[2].calls[0].arguments: 'city' is a required",
        ),
        (bad_call(city="Oslo", when="now"), "weather has no parameter when"),
        (without(2), "turns out of order: turns[3]: "),
        (without(0), "turns out of order: turns[0]: "),
        (without(1), "results do not match the calls"),
        ({"messages": [{"role": "user", "content": "hi"}]}, "nothing to learn"),
        (openai_chat(tools=[WEATHER, {**WEATHER, "description": "?"}]), "two tools have one name: weather"),
        (openai_chat(tools=[{"parameters": {}}]), "a tool has no name"),
        ({"messages": "hi"}, "messages is not a list"),
        (3, "not a JSON object"),
        (
            {"messages": [{"role": "user", "content": "\ud800"}, {"role": "assistant", "content": "a"}]},
            "UTF-8",
        ),
        (
            {"messages": [{"role": "user", "content": " "}, {"role": "assistant", "content": "a"}]},
            "empty message",
        ),
        (bad_call(city=float("inf")), "a call that cannot be read"),
    ],
)
def test_what_is_not_valid_is_dropped_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], value: Any, reason: str
) -> None:
    (row,) = imported(tmp_path, "openai", value, openai_chat())
    assert row.id == "in/2"
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith(f"{tmp_path / 'in.jsonl'}, line 1: ")
    assert reason in first
    assert "1 rows; dropped: 1 " in last


def test_twenty_dropped_records_are_printed_and_all_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dropped = tmp_path / "logs" / "dropped.jsonl"
    imported(tmp_path, "openai", openai_chat(), *[{}] * 25, options=("--dropped", str(dropped)))
    output = capsys.readouterr().err.splitlines()
    assert len(output) == 22
    lines = [json.loads(line) for line in dropped.read_text().splitlines()]
    assert [line["line"] for line in lines] == list(range(2, 27))
    assert output[-1].endswith("dropped: 25 messages is not a list")
    assert {line["reason"] for line in lines} == {"messages is not a list"}


def test_options(tmp_path: Path) -> None:
    options = ("--split", "valid", "--limit", "2", "--source", "mine")
    rows = imported(tmp_path, "openai", *VALUES[:4], options=options)
    assert [(row.split, row.source) for row in rows] == [("valid", "mine")] * 2


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["openai", "nowhere.json"], "nowhere.json does not exist"),
        (["opanai", "in.jsonl"], "invalid choice"),
        (["openai", "in.jsonl", "--limit", "0"], "--limit is 0"),
        (["openai", "empty"], "empty holds no data file"),
        (["openai", "in.jsonl", "--dropped", "in.jsonl"], "one of the files to import"),
        (["openai", "in.jsonl", "--dropped", "in.jsonl/x"], "in.jsonl/x cannot be written"),
        (["xlam", "in.jsonl"], "nothing could be imported as xlam: 1 query is not text"),
    ],
)
def test_wrong_use_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "in.jsonl").write_text(json.dumps(openai_chat()))
    with pytest.raises(InputError, match=message):
        import_rows([*argv, "--out", "out.jsonl"])
    assert not (tmp_path / "out.jsonl").exists()
    assert row_count(tmp_path / "in.jsonl") == 1


def row_count(path: Path) -> int:
    return len(path.read_text().splitlines())


@pytest.mark.parametrize("reference", ["#", "#/allOf/0", "#/$defs/none", "http://127.0.0.1:9/schema.json"])
def test_references_are_never_fetched_and_never_followed_for_ever(tmp_path: Path, reference: str) -> None:
    parameters = {"properties": {"city": {"$ref": reference}}, "allOf": [{"$ref": reference}]}
    with pytest.raises(InputError, match=r"1 (parameters that are|arguments that do)"):
        imported(tmp_path, "openai", openai_chat(tools=[{"name": "weather", "parameters": parameters}]))


def samples(tmp_path: Path) -> dict[str, list[Any]]:
    golden = api(
        Instructions=["?"], Golden_Answers=[[{"Action": "weather", "Action_Input": '{"city": "a"}'}]]
    )
    question = json.loads(
        (bfcl_folder(tmp_path, "BFCL_v4_irrelevance.json") / "BFCL_v4_irrelevance.json").read_text()
    )
    truth = [{"sky.weather": {"city": ["Oslo"], "at": [{"a": ["", 1]}]}}]
    chat = sharegpt_chat(
        ("human", "q"), ("function_call", CALLING), ("observation", "r"), ("gpt", "a"), tools=[WEATHER]
    )
    return {
        "toolbench": [toolbench_answer()],
        "alpha-umi": [paper_row(conversations=SAID), paper_row(history=SAID[:1], target="a Next: give up.")],
        "toolalpaca": [golden, api(Instances=[{"input": "q", "output": "a", "intermediate_steps": []}])],
        "openai": [openai_chat()],
        "sharegpt": [chat],
        "xlam": [{"query": "q", "tools": [WEATHER], "answers": [json.loads(CALLING)]}],
        "bfcl": [{**question, "ground_truth": truth}, question],
    }


JUNK = (None, True, -1, 1.5, "", "x", "{", "[1]", [], {}, [None], {"a": 1}, [[]], ["x"], {"type": 3})


@pytest.mark.parametrize("kind", IMPORTERS)
def test_damaged_records_are_dropped_or_become_valid_rows(tmp_path: Path, kind: str) -> None:
    rng = random.Random(5)

    def damaged(value: Any) -> Any:
        if rng.random() < 0.04:
            return rng.choice(JUNK)
        if isinstance(value, dict):
            return {key: damaged(item) for key, item in value.items() if rng.random() > 0.02}
        return [damaged(item) for item in value if rng.random() > 0.03] if isinstance(value, list) else value

    made = dropped = 0
    for value in samples(tmp_path)[kind]:
        for _ in range(300):
            for _, outcome in IMPORTERS[kind](Path("irrelevance"), [Record(damaged(value), "line", 1)]):
                row = finished(outcome)
                made, dropped = made + (row is not None), dropped + (row is None)
    assert made > 20
    assert dropped > 20


def finished(outcome: Conversation | UnusableRecordError) -> Row | None:
    if isinstance(outcome, UnusableRecordError):
        return None
    try:
        row = row_of(outcome, "x", "s", "train")
    except UnusableRecordError:
        return None
    assert row_from_json(json.loads(json.dumps(row_to_json(row)))) == row
    return row
