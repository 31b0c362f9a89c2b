"""The built-in tools, called as the loop calls them: their results and errors."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from agent.errors import ToolError
from agent.tools import Tool, ToolContext, Workspace, builtin_tools, tool
from agent.tools.lib import dates as clock

TOOLS: dict[str, Tool] = {t.name: t for t in builtin_tools()}


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    (tmp_path / "work").mkdir()
    return ToolContext(Workspace(tmp_path / "work"), tmp_path / "data" / "notes.jsonl")


@pytest.fixture
def fixed_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = datetime(2026, 11, 21, 2, 8, tzinfo=UTC)
    for module in ("lib.dates", "lib.note_store", "builtin.current_time"):
        monkeypatch.setattr(f"agent.tools.{module}.now", lambda: moment)


def ask(context: ToolContext, name: str, /, **arguments: Any) -> str:
    return TOOLS[name].run(context, arguments)


def refusal(context: ToolContext, name: str, /, **arguments: Any) -> str:
    with pytest.raises(ToolError) as caught:
        ask(context, name, **arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_names_parameters_and_permissions_are_the_contract():
    wanted = {
        "calculate": "expression",
        "convert_units": "value from_unit to_unit",
        "current_time": "timezone?",
        "add_days": "date days",
        "days_between": "start end",
        "list_files": "path?",
        "find_files": "name path?",
        "search_text": "query path?",
        "read_file": "path start_line? end_line?",
        "file_info": "path",
        "write_file": "path content",
        "add_note": "text",
        "search_notes": "query?",
        "system_info": "",
    }
    found = {}
    for name, made in TOOLS.items():
        required = made.spec.parameters.get("required", [])
        found[name] = " ".join(p + ("" if p in required else "?") for p in made.spec.parameters["properties"])
    assert found == wanted
    others = {name: made.may for name, made in TOOLS.items() if made.may != "read"}
    assert others == {"write_file": "write", "add_note": "note"}


def test_a_tools_schema_has_no_titles_or_defaults():
    assert TOOLS["read_file"].spec.parameters == {
        "type": "object",
        "properties": {
            "path": {"type": "string"},
            "start_line": {"type": "integer"},
            "end_line": {"type": "integer"},
        },
        "required": ["path"],
    }
    assert TOOLS["system_info"].spec.parameters == {"type": "object", "properties": {}}
    assert TOOLS["read_file"].spec.description == "Read a text file."


def test_a_parameter_may_be_called_like_a_schema_keyword(context: ToolContext):
    @tool(may="read")
    def label(title: str, default: int = 2) -> str:
        """Label it."""
        return title * default

    properties = label.spec.parameters["properties"]
    assert properties == {"title": {"type": "string"}, "default": {"type": "integer"}}
    assert label.run(context, {"title": "a"}) == "aa"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "date"),
        ({"date": "2025-01-01"}, "days"),
        ({"date": "2025-01-01", "days": "x"}, "days"),
        ({"date": "2025-01-01", "days": 1.5}, "days"),
        ({"date": 5, "days": 1}, "date"),
        ({"date": "2025-01-01", "days": 1, "hours": 2}, "hours"),
    ],
)
def test_arguments_that_do_not_fit_are_named(context: ToolContext, arguments: dict[str, Any], named: str):
    assert refusal(context, "add_days", **arguments).startswith(f"{named}: ")


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("17.5% * 240", "42"),
        ("17.5% of 240", "42"),
        ("17 % 5", "2"),
        ("17 % (5)", "2"),
        ("17 mod 5", "2"),
        ("12%", "0.12"),
        ("10% + 5", "5.1"),
        ("0.1+0.2", "0.3"),
        ("1/3", "0.3333333333"),
        ("2/3", "0.6666666667"),
        ("1/7*7", "1"),
        ("-2^2", "-4"),
        ("2**3**2", "512"),
        ("2^-1", "0.5"),
        ("2^100", "1267650600228229401496703205376"),
        ("1,200 * 2", "2400"),
        ("1,234,567.5 + 1", "1234568.5"),
        ("max(1,200)", "200"),
        ("(1,200 + 3) * max(3, 4)", "4812"),
        ("3 \N{MULTIPLICATION SIGN} 4 ÷ 2 \N{MINUS SIGN} 1", "5"),
        ("3 x 4", "12"),
        ("2(3+4)", "14"),
        ("$1,200 * 15% =", "180"),
        ("sqrt(16)", "4"),
        ("sqrt(2)", "1.414213562"),
        ("sqrt(2)^2 - 2", "0"),
        ("sin(pi)", "0"),
        ("cos(0) + tan(0)", "1"),
        ("log(1000)", "3"),
        ("log(8, 2)", "3"),
        ("ln(e)", "1"),
        ("log(10^500)", "500"),
        ("exp(0)", "1"),
        ("abs(-3) + floor(2.7) + ceil(2.1)", "8"),
        ("round(2.5)", "3"),
        ("round(2.675, 2)", "2.68"),
        ("min(3, 1, 2)", "1"),
        ("12345678901.25 + 0", "12345678901.25"),
        ("1.5 * 10^15", "1500000000000000"),
        ("1/3e12", "0.0000000000003333333333"),
        ("exp(40)", "2.353852668e17"),
        ("(1 + 0.05/365)^3650", "1.648664814"),
        ("0 * -1", "0"),
    ],
)
def test_calculate(context: ToolContext, expression: str, result: str):
    assert ask(context, "calculate", expression=expression) == result


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("1/0", "division by zero"),
        ("5 % (1-1)", "division by zero"),
        ("0^-1", "division by zero"),
        ("9**9**9**9", "too large"),
        ("e^e^e^e", "too large"),
        ("exp(700) * exp(700)", "too large"),
        ("sin(exp(700) * exp(700))", "too large"),
        ("1e5000", "cannot|unexpected|too large"),
        ("2^-100000", "too small"),
        ("(" * 200 + "1" + ")" * 200, "nested"),
        ("-" * 500 + "1", "nested"),
        ("1+" * 600 + "1", "longer than"),
        ("sqrt(-1)", "negative"),
        ("(-8)^(1/3)", "negative"),
        ("ln(0)", "not defined"),
        ("tan(pi/2)", "not defined"),
        ("", "empty"),
        ("2 +", "not complete"),
        ("(2", "not closed"),
        ("2)", "unexpected"),
        ("1 2", "unexpected"),
        ("3,5 + 1", "point"),
        ("sqrt(1, 2)", "takes 1"),
        ("__import__('os')", "cannot read"),
        ("what is 2", "unknown word 'what'"),
    ],
)
def test_calculate_says_what_is_wrong(context: ToolContext, expression: str, why: str):
    assert re.search(why, refusal(context, "calculate", expression=expression))


@pytest.mark.parametrize(
    ("value", "source", "target", "result"),
    [
        (5, "km", "miles", "3.10686 miles"),
        (1, "Kilometres", "m", "1000 m"),
        (100, "c", "f", "212 f"),
        (72, "degrees Fahrenheit", "celsius", "22.2222 celsius"),
        (5, "°C", "°F", "41 °F"),
        (0, "K", "c", "-273.15 c"),
        (60, "mph", "km/h", "96.5606 km/h"),
        (10, "m/s", "kilometers per hour", "36 kilometers per hour"),
        (2, "lbs", "kg", "0.907185 kg"),
        (1, "gb", "MB", "1000 MB"),
        (1, "GiB", "MiB", "1024 MiB"),
        (8, "Mb", "MB", "1 MB"),
        (100, "Mbps", "MB/s", "12.5 MB/s"),
        (1, "acre", "square feet", "43560 square feet"),
        (1, "m³", "liters", "1000 liters"),
        (12, "fl. oz.", "ml", "354.882 ml"),
        (3, "hrs", "minutes", "180 minutes"),
        (1, "kWh", "J", "3600000 J"),
        (1, "atm", "psi", "14.6959 psi"),
        (180, "degrees", "radians", "3.14159 radians"),
        (12, "inches", "foot", "1 foot"),
        (0.1, "mg", "kg", "0.0000001 kg"),
        (1234.5678, "km", "m", "1234568 m"),
        (1e300, "km", "m", "1e303 m"),
        (6, "feet 2", "cm", "187.96 cm"),
        (12, "stone 4", "kg", "78.0179 kg"),
        (1, "hour and 20 minutes", "minutes", "80 minutes"),
        (9, "feet 2", "m2", "0.836127 m2"),
    ],
)
def test_convert_units(context: ToolContext, value: float, source: str, target: str, result: str):
    assert ask(context, "convert_units", value=value, from_unit=source, to_unit=target) == result


@pytest.mark.parametrize(
    ("value", "source", "target", "why"),
    [
        (5, "kg", "miles", "cannot convert kg to miles"),
        (5, "parsnips", "miles", "unknown unit 'parsnips'"),
        (5, "square kg", "m2", "unknown unit 'square kg'"),
        (5, "", "m", "unknown unit ''"),
        (-500, "c", "k", "that is below absolute zero"),
        (float("inf"), "m", "km", "value is not a finite number"),
        (5, "km 3 miles", "m", "unknown unit 'km 3 miles'"),
        (-6, "feet 2", "cm", "cannot convert feet 2 to cm"),
    ],
)
def test_convert_units_refuses(context: ToolContext, value: float, source: str, target: str, why: str):
    assert refusal(context, "convert_units", value=value, from_unit=source, to_unit=target) == why


@pytest.mark.usefixtures("fixed_clock")
@pytest.mark.parametrize(
    ("zone", "result"),
    [
        (None, "Saturday 2026-11-21 02:08 UTC"),
        ("europe/paris", "Saturday 2026-11-21 03:08 Europe/Paris"),
        ("tokyo", "Saturday 2026-11-21 11:08 Asia/Tokyo"),
        ("New York", "Friday 2026-11-20 21:08 America/New_York"),
        ("Paris, France", "Saturday 2026-11-21 03:08 Europe/Paris"),
        ("São Paulo", "Friday 2026-11-20 23:08 America/Sao_Paulo"),
        ("india", "Saturday 2026-11-21 07:38 Asia/Kolkata"),
        ("utc", "Saturday 2026-11-21 02:08 UTC"),
    ],
)
def test_current_time(context: ToolContext, zone: str | None, result: str):
    assert ask(context, "current_time", timezone=zone) == result


@pytest.mark.parametrize("zone", ["gotham", "../../etc/passwd", "a\0b", "x" * 10_000])
def test_unknown_zones_are_refused(context: ToolContext, zone: str):
    assert refusal(context, "current_time", timezone=zone).startswith("unknown time zone")


def test_every_place_has_a_zone_that_exists(context: ToolContext):
    from agent.tools.lib.places import ZONES_BY_PLACE

    for zone, places in ZONES_BY_PLACE.items():
        for place in places.split(","):
            assert ask(context, "current_time", timezone=place).endswith(f" {zone}")


def test_the_clock_has_a_time_zone():
    assert clock.now().utcoffset() is not None
    assert abs(clock.now() - datetime.now(timezone(timedelta(hours=5)))) < timedelta(days=1)


@pytest.mark.usefixtures("fixed_clock")
@pytest.mark.parametrize(
    ("date", "days", "result"),
    [
        ("2025-03-14", 10, "2025-03-24 Monday"),
        ("2025-03-14", -14, "2025-02-28 Friday"),
        ("2024-02-28", 1, "2024-02-29 Thursday"),
        ("2025-3-4", 0, "2025-03-04 Tuesday"),
        ("2025-03-14T10:00", 0, "2025-03-14 Friday"),
        ("March 14 2025", 0, "2025-03-14 Friday"),
        ("14 mar 2025", 0, "2025-03-14 Friday"),
        ("Friday, March 14th, 2025", 0, "2025-03-14 Friday"),
        ("the 1st of May 2025", 0, "2025-05-01 Thursday"),
        ("Sept 5", 0, "2026-09-05 Saturday"),
        ("today", 0, "2026-11-21 Saturday"),
        ("Tomorrow", 0, "2026-11-22 Sunday"),
        ("yesterday", 0, "2026-11-20 Friday"),
        ("19.2.2026", 0, "2026-02-19 Thursday"),
        ("3. 1. 2027", 0, "2027-01-03 Sunday"),
        ("24.12.", 0, "2026-12-24 Thursday"),
        ("24.12", 0, "2026-12-24 Thursday"),
        ("Tuesday", 0, "2026-11-24 Tuesday"),
        ("saturday", 0, "2026-11-28 Saturday"),
    ],
)
def test_add_days(context: ToolContext, date: str, days: int, result: str):
    assert ask(context, "add_days", date=date, days=days) == result


@pytest.mark.parametrize(
    ("date", "days", "why"),
    [
        ("2025-02-30", 1, "there is no such day as '2025-02-30'"),
        ("soon", 1, "write it like 2025-03-14"),
        ("", 1, "write it like 2025-03-14"),
        ("31.2.2025", 1, "there is no such day"),
        ("2.13.2025", 1, "there is no such day"),
        ("1.2.3", 1, "write it like 2025-03-14"),
        ("3/4/2025", 1, "write it like 2025-03-14"),
        ("march 14 15 2025", 1, "write it like 2025-03-14"),
        ("9999-12-31", 1, "outside the years"),
        ("2025-01-01", 10**30, "outside the years"),
    ],
)
def test_add_days_refuses(context: ToolContext, date: str, days: int, why: str):
    assert why in refusal(context, "add_days", date=date, days=days)


@pytest.mark.parametrize(
    ("end", "result"),
    [
        ("2025-12-25", "286 days"),
        ("2025-03-15", "1 day"),
        ("March 11 2025", "-3 days"),
        ("2025-03-14", "0 days"),
    ],
)
def test_days_between(context: ToolContext, end: str, result: str):
    assert ask(context, "days_between", start="2025-03-14", end=end) == result


def test_notes_are_kept_and_found(context: ToolContext):
    assert ask(context, "search_notes") == "there are no notes"
    assert ask(context, "add_note", text="  Buy oat milk ") == "saved note 1"
    assert ask(context, "add_note", text="call\nthe bank about café") == "saved note 2"
    assert ask(context, "search_notes") == "1: Buy oat milk\n2: call the bank about café"
    assert ask(context, "search_notes", query="MILK buy") == "1: Buy oat milk"
    assert ask(context, "search_notes", query="milk bank") == "no note contains 'milk bank'"
    assert ask(context, "search_notes", query="oat-milks") == "1: Buy oat milk"
    assert ask(context, "search_notes", query="-s") == "no note contains '-s'"
    rows = [json.loads(line) for line in context.notes.read_text("utf-8").splitlines()]
    assert [(row["id"], row["text"]) for row in rows] == [
        (1, "Buy oat milk"),
        (2, "call\nthe bank about café"),
    ]
    assert datetime.fromisoformat(rows[0]["time"]).tzinfo is not None


def test_a_note_of_another_workspace_names_it(context: ToolContext, tmp_path: Path):
    other = tmp_path / "o\nther"
    other.mkdir()
    ask(ToolContext(Workspace(other), context.notes), "add_note", text="call home")
    with context.notes.open("a") as file:
        file.write('{"id":2,"text":"old"}\n{"id":3,"text":"odd","workspace":7}\n')
    ask(context, "add_note", text="buy milk")
    first, *others = ask(context, "search_notes").split("\n")
    origin = str(other).replace("\n", "")
    assert first == f"1: (from {origin if len(origin) <= 60 else origin[:59] + '…'}) call home"
    assert others == ["2: old", "3: odd", "4: buy milk"]
    rows = [json.loads(line) for line in context.notes.read_text("utf-8").splitlines()]
    assert rows[3]["workspace"] == str(context.workspace.root)


def test_a_damaged_note_store_loses_only_the_damaged_line(context: ToolContext):
    ask(context, "add_note", text="first")
    with context.notes.open("ab") as file:
        file.write(b'\xff\n[]\n{"id":"7","text":"x"}\n{"id":2,"text":"cut o')
    assert ask(context, "search_notes") == "1: first"
    assert ask(context, "add_note", text="second") == "saved note 2"
    assert ask(context, "search_notes") == "1: first\n2: second"


def test_the_newest_twenty_notes_are_shown_newest_last(context: ToolContext):
    for number in range(1, 26):
        ask(context, "add_note", text=f"thought {number} " + "long " * 400)
    lines = ask(context, "search_notes", query="thought").split("\n")
    assert [line.split(":")[0] for line in lines[:-1]] == [str(n) for n in range(6, 26)]
    assert lines[-1] == "… (5 older notes)"
    assert sum(map(len, lines)) < 4200


@pytest.mark.parametrize("text", ["", "  \n", "x" * 20_000, "\ud800"])
def test_notes_that_cannot_be_stored(context: ToolContext, text: str):
    refusal(context, "add_note", text=text)
    assert ask(context, "search_notes") == "there are no notes"


def test_a_note_store_that_is_a_folder_is_an_observation(context: ToolContext):
    context.notes.mkdir(parents=True)
    assert "the note store cannot be written" in refusal(context, "add_note", text="x")
    assert "the note store cannot be read" in refusal(context, "search_notes")


def test_system_info(context: ToolContext):
    output = ask(context, "system_info")
    assert re.fullmatch(
        r"\w+ [\d.]+, \w+, \d+ cores?, \d+ GB memory, \d+ GB free disk, Python 3\.\d+\.\w+", output
    )
