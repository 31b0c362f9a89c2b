"""The real base, from the file that was pulled to an answer: import, two stages, deltas, build, ask.

`make test` pulls the base. Without it the test is skipped, except in CI, where it fails.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agent.bundle import load_bundle
from agent.paths import bases_folder
from agent.tools import ToolContext, Workspace, builtin_tools
from agent.tools.toolbox import Toolbox, select_tools
from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
    Row,
    SummarizerTurn,
    ToolTurn,
    Transcript,
    UserTurn,
)
from train.data.rows import write_rows

BASE = "smollm2-135m"
PULLED = bases_folder() / BASE
"""Where `umi models pull` put the base; read before a test has an empty folder in the place of the user's."""
RECIPE = f"""
base = "umi/models/bases/{BASE}/checkpoint"
data = "rows.jsonl"
out = "run"
schedule = "constant"
evaluations = 0
heldout_rows = 3
[lora]
rank = 8
[backbone]
learning_rate = 2e-3
max_steps = 12
[planner]
learning_rate = 5e-4
max_steps = 2
[caller]
learning_rate = 5e-4
max_steps = 2
[summarizer]
learning_rate = 5e-4
max_steps = 2
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (PULLED / "base.json").is_file() and not os.environ.get("CI"),
        reason=f"the base is not on this machine: umi models pull {BASE}",
    ),
]


def umi(home: Path, *argv: str) -> str:
    """Run `umi` in the folder `home`, with the folder `umi` there as the user's; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tui", *argv],
        cwd=home,
        env={**os.environ, "UMI_HOME": str(home / "umi")},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def shares(home: Path) -> list[Row]:
    """Questions of one kind, each with the call that answers it and what the tool says."""
    toolbox = Toolbox(
        select_tools(builtin_tools(), ["calculate"]), ToolContext(Workspace(home), home / "notes.jsonl")
    )
    rows = []
    for number, (percent, whole) in enumerate(
        [(17.5, 240), (5, 80), (12, 75), (30, 190), (8, 450), (2.5, 64)]
    ):
        call = Call("calculate", {"expression": f"{percent}% of {whole}"})
        result = toolbox.run(call)
        turns = (
            UserTurn(f"what is {percent}% of {whole}?"),
            PlannerTurn(f"I will work out {percent}% of {whole} with calculate.", "caller"),
            CallerTurn((call,)),
            ToolTurn("calculate", result),
            PlannerTurn("I know the result.", "summarizer"),
            SummarizerTurn(f"{percent}% of {whole} is {result}."),
        )
        transcript = Transcript(toolbox.specs, turns)
        rows.append(Row(f"share-{number}", "own", "train", transcript))
        if number < 3:
            rows.append(Row(f"held-out-{number}", "own", "valid", transcript))
    return rows


def test_from_the_pulled_file_to_an_answer_of_roles_of_ones_own(tmp_path: Path) -> None:
    bases = tmp_path / "umi" / "models" / "bases"
    shutil.copytree(PULLED, bases / BASE, ignore=shutil.ignore_patterns("checkpoint", ".*"))
    umi(tmp_path, "train", "base", "import", BASE)
    proof = json.loads((bases / BASE / "checkpoint" / "import.json").read_text())
    assert proof["tensors_equal"] == 272
    assert proof["logits"]["agreed"] == proof["logits"]["positions"] > 100

    write_rows(tmp_path / "rows.jsonl", shares(tmp_path))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    umi(tmp_path, "train", "glpft", "recipe.toml")
    losses = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert losses

    bundle = [
        "--name",
        "shares",
        "--license",
        "Apache-2.0",
        "--quant",
        "q8_0",
        "--adapter-type",
        "q8_0",
        "--prompts",
        "2",
    ]
    umi(tmp_path, "export", "bundle", "run", "--deltas", "--out", "deltas", *bundle)
    deltas = load_bundle(tmp_path / "deltas", verify=True)
    assert deltas.base
    assert sum(file.size for file in deltas.files) < 20e6
    umi(tmp_path, "models", "build", "deltas")
    said = umi(
        tmp_path, "ask", "--models", "shares", "--tools", "calculate", "--json", "what is 17.5% of 240?"
    )
    events = [json.loads(line) for line in said.splitlines()]
    calls = [event for event in events if event["event"] == "call"]
    assert [call["name"] for call in calls] == ["calculate"]
    assert events[-1]["reason"] == "answered"
    assert "42" in events[-1]["answer"]
