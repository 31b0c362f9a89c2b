"""Small conversations in the formats of others, and the turns that they should become."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
    Row,
    SummarizerTurn,
    ToolTurn,
    Turn,
    UserTurn,
)
from agent.transcript.formats.schemas import parameters_of
from agent.transcript.rows import read_rows
from tui.cli.tree.root import run

TEXT = {"type": "string"}
WEATHER = {
    "name": "weather",
    "description": "Weather of a city.",
    "parameters": parameters_of({"city": "str"}),
}
RAIN = Call("weather", {"city": "Oslo"})
QUESTION = UserTurn("Weather in Oslo?")
LOOP = (
    PlannerTurn("", "caller"),
    CallerTurn((RAIN,)),
    ToolTurn("weather", "rain"),
    PlannerTurn("", "summarizer"),
    SummarizerTurn("It rains."),
)
CALLING = json.dumps({"name": "weather", "arguments": {"city": "Oslo"}})


def import_rows(argv: list[str]) -> int:
    """Run `umi train data import`. Raises InputError for what it refuses."""
    return run(["train", "data", "import", *argv])


def imported(tmp_path: Path, kind: str, *values: Any, options: tuple[str, ...] = ()) -> list[Row]:
    """The rows made of `values`, written a line each."""
    file = tmp_path / "in.jsonl"
    file.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    assert import_rows([kind, str(file), "--out", str(tmp_path / "out.jsonl"), *options]) == 0
    return list(read_rows(tmp_path / "out.jsonl"))


def turns(tmp_path: Path, kind: str, value: Any) -> tuple[Turn, ...]:
    """The turns of the one row made of `value`."""
    (row,) = imported(tmp_path, kind, value)
    return row.transcript.turns


def thinking(*thoughts: str) -> tuple[Turn, ...]:
    """LOOP with thoughts."""
    left = list(thoughts)
    return tuple(PlannerTurn(left.pop(0), t.next) if isinstance(t, PlannerTurn) else t for t in LOOP)


def openai_chat(**changes: Any) -> dict[str, Any]:
    function = {
        "id": "c1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city":"Oslo"}'},
    }
    messages = [
        {"role": "user", "content": "Weather in Oslo?"},
        {"role": "assistant", "content": None, "tool_calls": [function]},
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        {"role": "assistant", "content": "It rains."},
    ]
    return {"messages": messages, "tools": [{"type": "function", "function": WEATHER}]} | changes


def sharegpt_chat(*pairs: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {"conversations": [{"from": who, "value": text} for who, text in pairs], **more}


def toolbench_answer(finish: str = "give_answer") -> dict[str, Any]:
    def node(kind: str, description: str, *children: Any, **more: Any) -> dict[str, Any]:
        return {"node_type": kind, "description": description, "children": list(children), **more}

    last = {"return_type": finish} | ({"final_answer": "It rains."} if finish == "give_answer" else {})
    give_up = node("Action", "Finish", node("Action Input", '{"return_type": "give_up_and_restart"}'))
    end = node("Thought", "Wet.", node("Action", "Finish", node("Action Input", json.dumps(last))))
    observed = '{"error": "", "response": "rain"}'
    right = node("Action Input", '{"city": "Oslo"}', end, observation=observed)
    wrong = node("Action Input", '{"city": "Rome"}', give_up, observation='{"error": "down", "response": ""}')
    first = node("Thought", "I look.", node("Action", "weather", wrong), node("Action", "weather", right))
    return {
        "tree": {"tree": node("Action Input", "", first)},
        "answer_generation": {
            "query": "Weather in Oslo?",
            "function": [WEATHER, {"name": "Finish", "description": "", "parameters": {}}],
        },
    }


def paper_row(**more: Any) -> dict[str, Any]:
    return {"tools": [{"Name": "weather", "function": "Of a city.", "input": {"city": "string, it"}}], **more}


SAID = [
    {"from": "user", "value": "Weather in Oslo?"},
    {"from": "assistant", "value": "I look.\n Next: caller."},
    {"from": "caller", "value": 'Action: weather\nAction Input: {\n  "city": "Oslo"\n}'},
    {"from": "observation", "value": "rain"},
    {"from": "user", "value": "This is not the first time you try this task, all previous trails failed."},
    {"from": "assistant", "value": "A thought that hands over to nobody."},
    {"from": "assistant", "value": "Wet. Next: conclusion."},
    {"from": "conclusion", "value": "It rains."},
]


def api(**more: Any) -> dict[str, Any]:
    described = (
        'Of a city.\nParameters: {"city": "Required. string. It.", "day": "integer. When."}\nOutput: it.'
    )
    return {"Name": "Sky", "Function_Description": {"weather": described, "components": ""}, **more}


def bfcl_folder(tmp_path: Path, name: str, truth: Any = None) -> Path:
    (tmp_path / "b" / "possible_answer").mkdir(parents=True)
    function = {
        "name": "sky.weather",
        "description": "",
        "parameters": {
            "type": "dict",
            "properties": {"city": TEXT, "day": {"type": "float"}, "at": {"type": "dict"}},
            "required": ["city"],
        },
    }
    messages = [{"role": "system", "content": "Brief."}, {"role": "user", "content": "Weather in Oslo?"}]
    row = {"id": "x_0", "question": [messages], "function": [function]}
    (tmp_path / "b" / name).write_text(json.dumps(row) + "\n")
    if truth is not None:
        answer = {"id": "x_0", "ground_truth": truth}
        (tmp_path / "b" / "possible_answer" / name).write_text(json.dumps(answer) + "\n")
    return tmp_path / "b"
