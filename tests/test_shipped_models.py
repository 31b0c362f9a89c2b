"""The bundle in the package, run for real: its path, its size, and that nothing reaches the network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.bundle import load_bundle
from agent.engine import Engine
from agent.events import Finished, Observation
from agent.llama.engine import LlamaEngine
from agent.loop import Agent
from agent.paths import SHIPPED
from agent.tools import ToolContext, Workspace, builtin_tools
from agent.tools.toolbox import Toolbox

OFFLINE = """
import socket, sys
def refuse(*_):
    raise AssertionError("the network was used")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from tui.cli.main import main
sys.exit(main())
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = LlamaEngine(load_bundle(SHIPPED))
    yield engine
    engine.close()


def ask(folder: Path, question: str, *options: str) -> subprocess.CompletedProcess[str]:
    """`umi ask` in a process that cannot reach the network."""
    return subprocess.run(
        [sys.executable, "-c", OFFLINE, "ask", *options, "--workspace", str(folder), question],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "UMI_HOME": str(folder / ".umi")},
    )


def test_the_question_of_the_readme(tmp_path: Path) -> None:
    done = ask(tmp_path, "what is 17.5% of 240?", "--json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    path = [(e["event"], e.get("next") or e.get("name")) for e in events if e["event"] in ("thought", "call")]
    assert path == [("thought", "caller"), ("call", "calculate"), ("thought", "summarizer")]
    assert [e["content"] for e in events if e["event"] == "observation"] == ["42"]
    assert "42" in events[-1]["answer"]


def test_the_answer_alone_is_on_stdout(tmp_path: Path) -> None:
    done = ask(tmp_path, "what is 12 * 12?")
    assert done.returncode == 0, done.stderr
    assert "144" in done.stdout
    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_requests_beyond_the_tools_are_given_up(tmp_path: Path) -> None:
    done = ask(tmp_path, "will it rain in Lisbon tomorrow?")
    assert done.returncode == 3, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("what is 15% of 80?", "12"),
        ("how many days are there from 2025-01-01 to 2025-03-01?", "59"),
        ("convert 5 km to m", "5000"),
        ("what files are in this folder?", "todo.txt"),
        ("show me what todo.txt says", "water the plants"),
        ("which file mentions plants?", "todo.txt"),
    ],
)
def test_plain_requests(engine: Engine, tmp_path: Path, question: str, expected: str) -> None:
    (tmp_path / "todo.txt").write_text("water the plants\n")
    toolbox = Toolbox(builtin_tools(), ToolContext(Workspace(tmp_path), tmp_path / "notes" / "notes.jsonl"))
    agent = Agent(engine, toolbox)
    events = list(agent.run(agent.begin(), question))
    last = events[-1]
    assert isinstance(last, Finished)
    seen = [event.content for event in events if isinstance(event, Observation)]
    assert (last.reason, expected in last.answer) == ("answered", True), (last, seen)


def test_a_conversation_goes_on(engine: Engine, tmp_path: Path) -> None:
    toolbox = Toolbox(builtin_tools(), ToolContext(Workspace(tmp_path), tmp_path / "notes.jsonl"))
    agent = Agent(engine, toolbox)
    conversation = agent.begin()
    for question, expected in (("what is 20% of 50?", "10"), ("what is 30% of 70?", "21")):
        last = list(agent.run(conversation, question))[-1]
        assert isinstance(last, Finished)
        assert expected in last.answer


def test_the_bundle_is_complete_small_and_has_its_provenance() -> None:
    bundle = load_bundle(SHIPPED, verify=True)
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 20_000_000
    assert len({role.file for role in bundle.roles.values()}) == 3
    assert bundle.license == "Apache-2.0"
    assert bundle.recipe
    assert bundle.metrics


@pytest.mark.parametrize("harm", ["truncate", "flip"])
def test_a_damaged_model_is_one_line(tmp_path: Path, harm: str) -> None:
    folder = tmp_path / "models"
    shutil.copytree(SHIPPED, folder)
    file = folder / load_bundle(SHIPPED).roles["caller"].file
    data = bytearray(file.read_bytes())
    if harm == "truncate":
        data = data[: len(data) // 2]
    else:
        data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)
    done = ask(tmp_path, "what is 2 + 2?", "--models", str(folder))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert file.name in done.stderr


def test_a_question_longer_than_the_context_is_one_line(tmp_path: Path) -> None:
    done = ask(tmp_path, "word " * 5000)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "tokens" in done.stderr
