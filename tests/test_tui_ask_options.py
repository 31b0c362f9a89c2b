"""`umi ask --quiet`, `--json --final`, `--file` and `--template`, and what the config says of a question."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path

import pytest
from fakes import calculation, plan, scripted

import tui.cli.ask
from agent.attachments import read_attachments
from agent.config import set_value
from agent.engine import ScriptedEngine
from agent.prompting import segments
from agent.transcript import ToolTurn, UserTurn
from tui.cli.main import main
from tui.cli.timings import HEADS
from tui.setup import LoadedAgent, Options

SetScript = Callable[[Sequence[str]], list[LoadedAgent]]


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SetScript:
    """Let `umi ask` open a scripted agent; returns a function that sets the script."""

    def set_script(script: Sequence[str]) -> list[LoadedAgent]:
        seen: list[LoadedAgent] = []

        def open_agent(options: Options) -> LoadedAgent:
            opened = scripted(script, tmp_path)
            attached = read_attachments(opened.agent.toolbox, options.files, outside=True)
            seen.append(LoadedAgent(opened.agent, opened.info, attached))
            return seen[-1]

        monkeypatch.setattr(tui.cli.ask, "open_agent", open_agent)
        return seen

    return set_script


def turns(seen: list[LoadedAgent]) -> tuple[object, ...]:
    """What the first role read."""
    engine = seen[0].agent.engine
    assert isinstance(engine, ScriptedEngine)
    return engine.seen[0][1].turns


def test_timings_are_a_table_on_stderr(models: SetScript, capsys: pytest.CaptureFixture[str]) -> None:
    models(calculation("It is 42."))
    assert main(["ask", "--quiet", "--timings", "what is 17.5% of 240?"]) == 0
    out, err = capsys.readouterr()
    assert out == "It is 42.\n"
    head, *rows, elsewhere = err.splitlines()
    assert head.split() == [*HEADS]
    assert [row.split()[0] for row in rows] == ["planner", "caller", "summarizer", "together"]
    assert all(len(row.split()) == len(HEADS) + 1 for row in rows)
    assert "elsewhere" in elsewhere


def test_quiet_prints_the_answer_alone(models: SetScript, capsys: pytest.CaptureFixture[str]) -> None:
    models(calculation("It is 42."))
    assert main(["ask", "--quiet", "what is 17.5% of 240?"]) == 0
    assert capsys.readouterr() == ("It is 42.\n", "")
    models([plan("No tool here can send mail.", "give up")])
    assert main(["ask", "-q", "send a mail"]) == 3
    assert capsys.readouterr() == ("No tool here can send mail.\n", "")


def test_final_prints_the_last_event_alone(models: SetScript, capsys: pytest.CaptureFixture[str]) -> None:
    models(calculation("It is 42."))
    assert main(["ask", "--json", "--final", "what is 17.5% of 240?"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    (line,) = out.splitlines()
    event = json.loads(line)
    assert (event["event"], event["reason"], event["answer"]) == ("finished", "answered", "It is 42.")
    assert main(["ask", "--final", "what?"]) == 2
    assert "--final applies only with --json" in capsys.readouterr().err


def test_files_are_attached(models: SetScript, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text(f"this is {name}")
    seen = models([plan("I have read them.", "summarizer"), "Two files."])
    files = [word for name in ("one.txt", "two.txt") for word in ("--file", str(tmp_path / name))]
    assert main(["ask", "what is this?", *files]) == 0
    out, err = capsys.readouterr()
    assert out == "Two files.\n"
    assert "= this is one.txt" in err
    observed = [turn.content for turn in turns(seen) if isinstance(turn, ToolTurn)]
    assert observed == ["this is one.txt", "this is two.txt"]


def test_a_template_is_filled_with_the_question(
    models: SetScript, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_value("templates.sum", "Sum up {input} in a line.")
    seen = models([plan("", "summarizer"), "Short."])
    assert main(["ask", "--template", "sum", "a.txt"]) == 0
    assert turns(seen) == (UserTurn("Sum up a.txt in a line."),)
    assert main(["ask", "--template", "smu", "a.txt"]) == 2
    assert "there is no template smu; did you mean sum?" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", StringIO())
    assert main(["ask", "--template", "sum"]) == 0


def test_a_persona_is_a_second_system_turn(tmp_path: Path) -> None:
    agent = scripted([plan("", "summarizer"), "Ahoy."], tmp_path).agent
    agent.instruction = "Answer like a sailor."
    list(agent.run(agent.begin(), "hello"))
    assert isinstance(agent.engine, ScriptedEngine)
    (tools, persona, user) = segments(agent.engine.seen[0][1])
    assert (tools.role, persona.role, user.role) == ("system", "system", "user")
    assert persona.content == "Answer like a sailor."
