"""Unseen tools out of public data: what is read of each format, and the rows that are made of it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from fakes import run_train as main

from agent.errors import InputError
from agent.tools import builtin_tools
from agent.transcript import CallerTurn, PlannerTurn, Row, ToolSpec, ToolTurn
from train.data.checks.validity import faults
from train.data.foreign.collection import Collection, ForeignTool, snake
from train.data.foreign.reading import read_foreign
from train.data.foreign.requests import Foreign, order_of
from train.data.foreign.values import examples, value_of
from train.data.synthetic import group
from train.data.synthetic.generate import generate_rows
from train.data.synthetic.holdout import HELD_OUT_VALUES, held_out
from train.data.synthetic.sampler import Sampler

BUILTIN = {tool.name for tool in builtin_tools()}
HOBBIES = ("Pottery", "Chess", "Rowing", "Knitting", "Baking", "Archery", "Juggling", "Fencing", "Sailing")


def write(path: Path, value: object, lines: bool = False) -> Path:
    text = "\n".join(map(json.dumps, value)) if lines and isinstance(value, list) else json.dumps(value)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A file of each known kind, in our own words."""
    data = tmp_path / "public"
    data.mkdir()
    tools = [
        {
            "api_name": f"get{hobby}Club",
            "api_description": f"Look up a club for {hobby.lower()} by town",
            "parameters": {
                "town": {"type": "str", "description": "The town (e.g., Luleå, Ghent)"},
                "members": {"type": "int", "description": "Least number of members"},
            },
            "required": ["town"],
            "responses": {"club_name": {"type": "str", "description": ""}, "fee": {"type": "float"}},
        }
        for hobby in HOBBIES
    ]
    asked = [
        {
            "id": hobby,
            "query": f"Is there a {hobby.lower()} club with 12 people in Ghent?",
            "calling": [{"api": f"get{hobby}Club", "parameters": {"town": "Ghent", "members": "12"}}],
        }
        for hobby in HOBBIES
    ]
    write(data / "tools.jsonl", tools, lines=True)
    write(data / "asked.jsonl", asked, lines=True)
    (data / "choices.csv").write_text("Query,Tool\nWhich moon is it tonight?,moon_phase\n", encoding="utf-8")
    moon = {
        "name_for_model": "moon_phase",
        "name_for_human": "Moon",
        "description_for_human": "The phase of the moon.",
    }
    write(data / "plugins.json", [moon])
    slots = [
        {"text": "feed "},
        {"text": "Rex", "entity": "pet"},
        {"text": " at "},
        {"text": "6", "entity": "hour"},
    ]
    write(data / "slots.json", {"FeedPet": [{"data": slots}]})
    intents = [["why was my card refused at the till", "card_declined"], ["what is 5 plus 6", "calculator"]]
    write(data / "intents.json", {"oos_train": intents})
    (data / "with_thoughts.csv").write_text(
        'text\n"User: Skate lessons for Mia?\n###\nTool Choices: Skate School = Books lessons on ice.\n'
        'Tide Table = Tells high water.\n###\nThought: t\nAct: CALLTOOL[""Skate School""]"\n',
        encoding="utf-8",
    )
    return data


def test_each_kind_of_file_is_read(folder: Path) -> None:
    found = read_foreign([folder])
    assert {"getChessClub", "moon_phase", "feed_pet", "skate_school", "tide_table"} <= set(found.tools)
    assert found.unserved == ["why was my card refused at the till"]
    calls = {request.question: request.calls for request in found.usable_requests()}
    assert calls["feed Rex at 6"] == (("feed_pet", {"pet": "Rex", "hour": "6"}),)
    assert calls["Which moon is it tonight?"] == (("moon_phase", {"query": "Which moon is it tonight?"}),)
    assert calls["Skate lessons for Mia?"] == (("skate_school", {"query": "Skate lessons for Mia?"}),)
    name, arguments = calls["Is there a chess club with 12 people in Ghent?"][0]
    assert (name, arguments) == ("getChessClub", {"town": "Ghent", "members": 12})
    assert found.tools["getChessClub"].responses == (("club_name", "string"), ("fee", "number"))


def test_a_request_whose_values_are_not_in_the_question_is_left_out(folder: Path) -> None:
    row = {
        "id": "1",
        "query": "A club, please",
        "calling": [{"api": "getChessClub", "parameters": {"town": "Ghent"}}],
    }
    write(folder / "asked.jsonl", [row], lines=True)
    assert "A club, please" not in [request.question for request in read_foreign([folder]).usable_requests()]


def test_a_file_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="of no known kind"):
        read_foreign([write(tmp_path / "x.json", [1, 2])])
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read"):
        read_foreign([tmp_path / "broken.json"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no data"):
        read_foreign([tmp_path / "empty"])


def foreign_calls(rows: list[Row]) -> list[str]:
    turns = [turn for row in rows for turn in row.transcript.turns if isinstance(turn, CallerTurn)]
    return [
        call.name
        for turn in turns
        for call in turn.calls
        if call.name.startswith("get") and "Club" in call.name
    ]


def test_rows_over_unseen_tools_are_valid_and_split_by_tool(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "FOREIGN_SHARE", 1.0)
    found = read_foreign([folder])
    rows = {split: list(generate_rows(2, split, 140, collection=found)) for split in ("train", "test")}
    for split, made in rows.items():
        assert not [fault for row in made for fault in faults(row.transcript)]
        names = {tool.name for row in made for tool in row.transcript.tools} & set(found.tools)
        assert names
        assert all(held_out(name, HELD_OUT_VALUES) == (split == "test") for name in names)
    assert len(foreign_calls(rows["train"])) > 8
    thoughts = [
        t.content for row in rows["train"] for t in row.transcript.turns if isinstance(t, PlannerTurn)
    ]
    assert any("town Ghent" in thought or "town Luleå" in thought for thought in thoughts)


def test_an_unserved_request_shares_no_word_with_a_tool_on_offer(folder: Path) -> None:
    found = read_foreign([folder])
    found.add_tool(ForeignTool(found.tools["moon_phase"].spec))
    for row in generate_rows(3, "train", 120, collection=found):
        turns = row.transcript.turns
        offered = {tool.name for tool in row.transcript.tools}
        for turn in turns:
            if isinstance(turn, PlannerTurn) and turn.next == "give up" and "moon" in turn.content:
                assert "moon_phase" not in offered


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": ["object", "null"]},
        {"type": "array", "items": {"type": "object", "required": ["name"]}},
        {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "object"}]}},
    ],
)
def test_a_tool_that_takes_objects_is_left_out(folder: Path, schema: dict[str, Any]) -> None:
    found = read_foreign([folder])
    for name in ("bill", "invoice", "receipt", "quote"):
        parameters = {"type": "object", "properties": {"items": schema}, "required": ["items"]}
        found.add_tool(ForeignTool(ToolSpec(name, "Write down what is owed", parameters)))
    usable = Foreign(found, is_test=False).tools | Foreign(found, is_test=True).tools
    assert usable.keys() >= {"getChessClub"}
    assert not usable.keys() & {"bill", "invoice", "receipt", "quote"}


def test_without_a_collection_no_tool_comes_from_one() -> None:
    rows = list(generate_rows(2, "train", 60, collection=None))
    assert not foreign_calls(rows)
    assert any(isinstance(turn, ToolTurn) for row in rows for turn in row.transcript.turns)


def test_names_and_descriptions_become_words() -> None:
    assert snake("AddToPlaylist") == "add_to_playlist"
    assert order_of("Retrieves the forecast of a town.") == "retrieve the forecast of a town"
    assert order_of("Book a table") == "book a table"
    assert not order_of("The phase of the moon.")
    assert examples("The town (e.g., Luleå, Ghent or Brno)") == ["Luleå", "Ghent", "Brno"]
    assert Collection().tools == {}


@pytest.mark.parametrize(
    ("kind", "types"),
    [
        ({"type": ["integer", "number"]}, (int,)),
        ({"type": ["null", "number"]}, (int, float)),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, (int,)),
        ({"type": ["string", "null"]}, (str,)),
    ],
)
def test_a_value_of_a_union_of_types_is_of_one_of_them(kind: dict[str, Any], types: tuple[type, ...]) -> None:
    sample = Sampler(random.Random(5), "train")
    for _ in range(30):
        assert isinstance(value_of(sample, "number", kind), types)
        listed = value_of(sample, "numbers", {"type": "array", "items": kind})
        assert all(isinstance(value, types) for value in listed)


def test_data_make_takes_foreign_files(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    command = ["data", "make", "--out", str(out), "--count", "40", "--foreign", str(folder)]
    assert main(command) == 0
    assert len(out.read_text(encoding="utf-8").splitlines()) == 40
    assert main(["data", "make", "--out", str(out), "--foreign", str(tmp_path / "nothing.json")]) == 2
