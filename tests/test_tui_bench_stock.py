"""`umi bench stock`: the questions, how a call is read from a text, and the report."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from chat_templates import TAGS
from tiny_gguf import write_tiny_gguf

import tui.bench.questions.stock
from agent.bundle import Bundle
from agent.bundle.assemble import assemble
from agent.config import EngineSettings
from agent.tools import builtin_tools
from tui.bench.questions.stock import SYSTEMS, called_tool, figures, load_questions, table
from tui.cli.main import main

NAMES = {"look", "find_it"}


def test_there_are_questions_for_every_tool_and_for_none() -> None:
    questions = load_questions()
    by_tool = Counter(tool for _, tool in questions)
    assert by_tool == {**dict.fromkeys((tool.name for tool in builtin_tools()), 5), None: 14}
    assert len({question for question, _ in questions}) == len(questions) == 84


def test_nothing_is_calibrated_on_the_questions() -> None:
    import tomllib

    from agent.llama.calibration import MESSAGES

    messages = tomllib.loads(MESSAGES.read_text(encoding="utf-8"))
    calibrated = {message.casefold() for kind in ("call", "answer") for message in messages[kind]}
    assert len(messages["call"]) == len(messages["answer"])
    assert not calibrated & {question.casefold() for question, _ in load_questions()}


@pytest.mark.parametrize(
    ("text", "tool"),
    [
        ('<tool_call>\n{"name": "look", "arguments": {"at": "{"}}\n</tool_call>', "look"),
        ('Sure.\n```json\n{\n  "name": "find_it",\n  "arguments": {}\n}\n```', "find_it"),
        ('{"a": {"name": "look"}}', "look"),
        ('{"name": "look", "arguments": {"at": "cu', "look"),
        ('{"name": "fin', None),
        ('{"name": "fly", "arguments": {}}', None),
        ("I look at {it}.", None),
        ("", None),
    ],
)
def test_a_call_is_parsed_from_a_text(text: str, tool: str | None) -> None:
    assert called_tool(text, NAMES) == tool


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("bench-stock")
    model = write_tiny_gguf(folder / "m.gguf", seed=3, chat_template=TAGS)
    return assemble(folder / "small", {}, backbone=model, dialect="chat")


def test_both_systems_answer_every_question(stock: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tui.bench.questions.stock, "builtin_tools", lambda: builtin_tools()[:2])
    questions = [("What is 2 plus 2?", "calculate"), ("Hello!", None)]
    result = figures(stock, questions, EngineSettings(threads=1, disk=False))
    assert result["questions"] == len(result["outcomes"]) == 2
    for name in SYSTEMS:
        row = result["systems"][name]
        assert row["right_tool"][1] == row["no_call"][1] == 1
        assert row["mean_seconds"] > 0
    held = replace(stock, call_bias=1e6)
    assert figures(held, questions, EngineSettings(threads=1, disk=False))["outcomes"][0]["umi"] is None
    lines = table(json.loads(json.dumps(result))).splitlines()
    assert [line.split()[0] for line in lines[2:4]] == list(SYSTEMS)


def test_models_of_another_kind_are_refused(
    tiny_bundle: Bundle, stock: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "stock", "--models", str(tiny_bundle.folder)]) == 2
    assert "is not a stock model" in capsys.readouterr().err
    assert main(["bench", "--models", str(stock.folder)]) == 2
    assert "umi bench stock" in capsys.readouterr().err
    assert main(["bench", "speed"]) == 2
    assert "there are trace, questions, app and stock" in capsys.readouterr().err


def test_assembling_says_what_was_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = write_tiny_gguf(
        tmp_path / "m.gguf", chat_template="{% for m in messages %}{{ m.content }}{% endfor %}"
    )
    out = tmp_path / "x"
    assert main(["models", "assemble", str(out), "--backbone", str(model), "--dialect", "chat"]) == 0
    said = capsys.readouterr()
    assert "tokens of context, call bias" in said.out
    assert "chat template: it shows no tools" in said.err
