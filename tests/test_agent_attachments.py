"""Files given along with a question, and a standing instruction."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import call, plan, scripted

import tui.cli.models.build
from agent.attachments import read_attachments
from agent.engine import ScriptedEngine
from agent.errors import InputError
from agent.events import CallProposed, Finished, Observation, Thought
from agent.transcript import Call, CallerTurn, PlannerTurn, ToolTurn, UserTurn
from tui.cli.main import main


def test_an_attached_file_is_an_observation_that_was_asked_for(tmp_path: Path) -> None:
    script = [
        plan("I will read a.txt.", "caller"),
        call("read_file", path="a.txt"),
        plan("", "summarizer"),
        "Two.",
    ]
    agent = scripted(script, tmp_path).agent
    (tmp_path / "workspace" / "a.txt").write_text("one\ntwo\n")
    (tmp_path / "b.txt").write_text("outside\n")
    paths = ["a.txt", tmp_path / "b.txt", "a.txt"]
    with pytest.raises(InputError, match=r"b\.txt cannot be attached: it is not in "):
        read_attachments(agent.toolbox, paths)
    attached = read_attachments(agent.toolbox, paths, outside=True)
    conversation = agent.begin()
    events = list(agent.run(conversation, "how many?", attachments=attached))
    outside = str(tmp_path / "b.txt")
    assert events[:5] == [
        Thought(0, f"I will read a.txt and {outside} with read_file.", "caller"),
        CallProposed(0, 0, "read_file", {"path": "a.txt"}),
        Observation(0, 0, "read_file", True, "one\ntwo"),
        CallProposed(0, 1, "read_file", {"path": outside}),
        Observation(0, 1, "read_file", True, "outside"),
    ]
    assert isinstance(agent.engine, ScriptedEngine)
    assert agent.engine.seen[0][1].turns == (
        UserTurn("how many?"),
        PlannerTurn(f"I will read a.txt and {outside} with read_file.", "caller"),
        CallerTurn((Call("read_file", {"path": "a.txt"}), Call("read_file", {"path": outside}))),
        ToolTurn("read_file", "one\ntwo"),
        ToolTurn("read_file", "outside"),
    )
    again = next(event for event in events if isinstance(event, Observation) and event.step == 1)
    assert again.content == "this very call was made before; do something else"
    assert isinstance(events[-1], Finished)
    assert conversation.untrusted


def test_a_large_file_is_paged_and_shortened_until_it_fits(tmp_path: Path) -> None:
    agent = scripted([plan("", "summarizer"), "Long."], tmp_path, context_length=900).agent
    lines = [f"line {number} of a long file" for number in range(5000)]
    (tmp_path / "workspace" / "long.txt").write_text("\n".join(lines))
    (attached,) = read_attachments(agent.toolbox, ["long.txt"])
    assert "read them with start_line and end_line" in attached.content
    events = list(agent.run(agent.begin(), "what is it?", attachments=[attached]))
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "answered"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.txt", r"missing\.txt cannot be attached: no such file"),
        (".", r"cannot be attached"),
        (".env", r"\.env cannot be attached: "),
        ("a\0b", "cannot be attached"),
        ("binary", "binary cannot be attached: binary is a binary file"),
    ],
)
def test_what_cannot_be_attached_is_named(name: str, message: str, tmp_path: Path) -> None:
    agent = scripted([], tmp_path).agent
    (tmp_path / "workspace" / ".env").write_text("TOKEN=1")
    (tmp_path / "workspace" / "binary").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match=message):
        read_attachments(agent.toolbox, [name])


def test_a_file_that_is_not_there_is_told_of_before_models_load(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tui.cli.models.build, "open_models", lambda models: pytest.fail("models were loaded"))
    assert main(["ask", "hello", "--file", "nothing.txt"]) == 2
    assert "nothing.txt cannot be attached" in capsys.readouterr().err
