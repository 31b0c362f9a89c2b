"""Small files of our own in the forms of the public benchmarks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

KETTLE = {
    "name": "kettle.boil",
    "description": "Boil water.",
    "parameters": {
        "type": "dict",
        "properties": {"litres": {"type": "float"}, "tea": {"type": "string"}},
        "required": ["litres"],
    },
}
TIMER = {
    "name": "timer.set",
    "description": "Ring after some minutes.",
    "parameters": {"type": "dict", "properties": {"minutes": {"type": "integer"}}, "required": ["minutes"]},
}


def question(own_id: str, text: str, *functions: Mapping[str, Any]) -> dict[str, Any]:
    """A question of BFCL."""
    return {"id": own_id, "question": [[{"role": "user", "content": text}]], "function": list(functions)}


def write_bfcl(
    folder: Path,
    category: str,
    questions: Sequence[Mapping[str, Any]],
    answers: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> Path:
    """Write a file of questions, and of answers by the ids of the questions; return its path."""
    path = folder / f"BFCL_v4_{category}.json"
    (folder / "possible_answer").mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in questions))
    if answers is not None:
        lines = [json.dumps({"id": name, "ground_truth": truth}) for name, truth in answers.items()]
        (folder / "possible_answer" / path.name).write_text("\n".join(lines) + "\n")
    return path


def write_simple(folder: Path, count: int = 2) -> Path:
    """Write questions of one call, each for so many litres."""
    return write_bfcl(
        folder,
        "simple_python",
        [question(f"simple_{n}", f"Boil {n} litres for green tea.", KETTLE) for n in range(1, count + 1)],
        {
            f"simple_{n}": [{"kettle.boil": {"litres": [float(n)], "tea": ["", "green tea"]}}]
            for n in range(1, count + 1)
        },
    )


def write_toolalpaca(folder: Path) -> Path:
    """Write an API with questions of one call, of an optional argument, of two calls, of no usable call."""
    parameters = '{"drink": "Required. string. What.", "cups": "integer. How many."}'
    pour = f"Pour a drink.\nParameters: {parameters}\nOutput: ok."
    value = {
        "Name": "Tea House",
        "Function_Description": {
            "pour": pour,
            "close": "Close.\nParameters: {}\nOutput: ok.",
            "components": "",
        },
        "Instructions": ["Pour two cups of mint tea.", "Pour cocoa.", "Pour tea, then close.", "As before."],
        "Golden_Answers": [
            [{"Action": "pour", "Action_Input": '{"drink": "mint tea", "cups": "2"}'}],
            [{"Action": "pour", "Action_Input": '{"drink": "cocoa", "cups": ""}'}],
            [
                {"Action": "pour", "Action_Input": '{"drink": "tea"}'},
                {"Action": "close", "Action_Input": "{}"},
            ],
            [{"Action": "pour", "Action_Input": '{"drink": "${close[0]}"}'}],
        ],
    }
    path = folder / "eval_own.json"
    path.write_text(json.dumps([value]))
    return path


WATER = {
    "schema": 1,
    "id": "water",
    "source": "own",
    "split": "test",
    "tools": [
        {
            "name": name,
            "description": "",
            "parameters": {
                "type": "object",
                "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            },
        }
        for name in ("boil", "pour")
    ],
    "turns": [
        {"role": "user", "content": "Boil one and two."},
        {"role": "planner", "content": "", "next": "caller"},
        {"role": "caller", "calls": [{"name": "boil", "arguments": {"a": 1, "b": 2}}]},
        {"role": "tool", "name": "boil", "content": "It boils now.", "error": False},
        {"role": "planner", "content": "", "next": "summarizer"},
        {"role": "summarizer", "content": "The water boils now."},
        {"role": "user", "content": "Sing."},
        {"role": "planner", "content": "", "next": "give up"},
    ],
}
"""A schema-1 row of three steps: a call, an answer, and a refusal."""


def write_rows(path: Path) -> Path:
    """Write WATER as a file of one row; return its path."""
    path.write_text(json.dumps(WATER) + "\n")
    return path
