"""The stranger's path, with the commands of README: a file of conversations becomes models that answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_base import TINY_RUN, make_base, teach, tiny_rows

from agent.tools import builtin_tools
from agent.transcript import ROLES, PlannerTurn, Row, SummarizerTurn, Transcript, UserTurn

ROOT = Path(__file__).resolve().parents[1]
TOOL_TALKS = [
    {
        "conversations": [
            {"from": "human", "value": f"Look up order {number}."},
            {
                "from": "function_call",
                "value": json.dumps({"name": "find_order", "arguments": {"id": number}}),
            },
            {"from": "observation", "value": json.dumps({"state": "sent"})},
            {"from": "gpt", "value": f"Order {number} is sent."},
        ],
        "tools": json.dumps(
            [
                {
                    "name": "find_order",
                    "description": "Find an order.",
                    "parameters": {"type": "object", "properties": {"id": {"type": "integer"}}},
                }
            ]
        ),
    }
    for number in range(20)
]
"""Conversations in the form of glaive's function-calling data."""
CALCULATE = f"[{next(tool.spec.line() for tool in builtin_tools() if tool.name == 'calculate')}]"
GREETINGS = ("hi", "hello", "hey", "good day", "hi there", "hello you")
TALK = [
    {
        "conversations": [
            {"from": "human", "value": text},
            {"from": "gpt", "value": "Good sum."},
        ],
        "tools": CALCULATE,
    }
    for text in GREETINGS * 6
]
BEFORE = [
    Row(
        text,
        "before",
        "train",
        Transcript(
            (next(tool.spec for tool in builtin_tools() if tool.name == "calculate"),),
            (UserTurn(text), PlannerTurn("", "summarizer"), SummarizerTurn("Good morning.")),
        ),
    )
    for text in GREETINGS
]
"""What the base says before it is trained."""


def umi(*given: object, cwd: Path, code: int = 0) -> str:
    """What a command prints; its exit code must be `code`."""
    words = [sys.executable, "-P", "-W", "error::SyntaxWarning", "-m", "tui", *map(str, given)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "UMI_HOME": str(cwd / "home")}
    done = subprocess.run(
        words, cwd=cwd, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert done.returncode == code, (
        f"{given}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    )
    return done.stdout


@pytest.mark.slow
def test_a_file_of_conversations_becomes_models_that_answer(tmp_path: Path) -> None:
    (tmp_path / "orders.json").write_text(json.dumps(TOOL_TALKS))
    (tmp_path / "talk.json").write_text(json.dumps(TALK))
    sums = [row for row in tiny_rows(40) if len(row.transcript.turns) > 3]
    teach(make_base(tmp_path / "base"), [*BEFORE, *sums], 150)
    umi(
        "train",
        "data",
        "import",
        "sharegpt",
        "orders.json",
        "--limit",
        6,
        "--out",
        "tools.jsonl",
        cwd=tmp_path,
    )
    umi("train", "data", "import", "sharegpt", "talk.json", "--out", "talk.jsonl", cwd=tmp_path)
    umi("train", "data", "check", "tools.jsonl", cwd=tmp_path)
    umi("train", "data", "mix", "--out", "rows.jsonl", "tools.jsonl", "talk.jsonl=3", cwd=tmp_path)
    fields = {**TINY_RUN, "max_length": 2048, "micro_batch_tokens": 2048, "evaluations": 1}
    fields |= {
        "evaluation_turns": 4,
        "precision": "float32",
        "lora": {"rank": 16, "alpha": 16},
        "accumulation": 1,
    }
    fields |= {role: {"learning_rate": 1e-3, "max_steps": 6} for role in ROLES}
    fields |= {"backbone": {"learning_rate": 5e-3, "max_steps": 120}}
    (tmp_path / "recipe.toml").write_text(
        'base = "base"\ndata = ["rows.jsonl"]\nout = "run"\n' + toml(fields)
    )
    umi("train", "glpft", "recipe.toml", cwd=tmp_path)
    umi("export", "bundle", "run", "--out", "bundle", "--quant", "q8_0", cwd=tmp_path)
    umi("models", "verify", "./bundle", cwd=tmp_path)
    answer = umi("ask", "hi", "--models", "./bundle", "--tools", "calculate", cwd=tmp_path)
    # Two layers of 64 may misspell a word, but they say what they were taught last.
    assert "sum" in answer
    assert "morning" not in answer


def toml(fields: dict[str, object]) -> str:
    """`fields` with tables last, as TOML wants them."""
    plain = [f"{key} = {json.dumps(value)}\n" for key, value in fields.items() if not isinstance(value, dict)]
    tables = [f"[{key}]\n{toml(dict(value))}" for key, value in fields.items() if isinstance(value, dict)]
    return "".join(plain + tables)
