"""`umi undo`, and `umi ask` with --allow-protected: what the commands do, say and refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from app_pilot import app_of, ready, send, texts, until
from fakes import call, plan, scripted

import tui.cli.ask
from agent.engine import ScriptedEngine
from agent.loop import Agent
from agent.setup import make_toolbox
from tui.app.transcript.blocks import NoteBlock
from tui.cli.main import main
from tui.setup import AgentInfo, LoadedAgent, Options


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    root.mkdir()
    (root / "notes.txt").write_text("buy milk")
    return root


@pytest.fixture
def obedient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models that write what a file told them to."""

    def open_agent(options: Options) -> LoadedAgent:
        write = call("write_file", path=".git/config", content="[core]\nfsmonitor = ./run-me\n")
        script = [plan("Write.", "caller"), write, plan("Done.", "summarizer"), "Done."]
        toolbox = make_toolbox(options.workspace or Path(), options.tools, options.allow_protected)
        info = AgentInfo("scripted", (), toolbox.context.workspace.root)
        return LoadedAgent(Agent(ScriptedEngine(script), toolbox), info)

    monkeypatch.setattr(tui.cli.ask, "open_agent", open_agent)


@pytest.mark.usefixtures("obedient")
def test_yes_does_not_allow_a_protected_place_and_naming_it_does(
    root: Path, capsys: pytest.CaptureFixture[str]
):
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("[core]\n")
    ask = ["ask", "set it up", "--yes", "--workspace", str(root)]
    main(ask)
    assert (root / ".git" / "config").read_text() == "[core]\n"
    assert "--allow-protected '.git/config'" in capsys.readouterr().err
    main([*ask, "--allow-protected", ".env", "--allow-protected", ".git"])
    assert "run-me" in (root / ".git" / "config").read_text()
    assert main(["undo"]) == 0
    assert (root / ".git" / "config").read_text() == "[core]\n"


async def test_the_app_undoes(tmp_path: Path):
    opened = scripted([], tmp_path)
    workspace = opened.agent.toolbox.context.workspace
    workspace.write_text("one.txt", "x")
    workspace.write_text("two.txt", "x")
    app = app_of(opened)
    async with app.run_test() as pilot:
        await ready(pilot)
        for command, says in (
            ("/undo", "two.txt; take that back with: umi undo 3"),
            ("/undo 1", "one.txt; take that back with: umi undo 4"),
            ("/undo", "there is no write to undo"),
            ("/undo x", "/undo NUMBER"),
        ):
            await send(pilot, command)
            await until(pilot, lambda says=says: any(says in text for text in texts(pilot, NoteBlock)))
    assert list(workspace.root.iterdir()) == []


def test_the_command_undoes_lists_and_refuses(root: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["undo", "--list"]) == 0
    assert capsys.readouterr().out == "no write is kept\n"
    workspace = make_toolbox(root).context.workspace
    workspace.write_text("notes.txt", "new")
    workspace.write_text("more.txt", "new")
    assert main(["undo"]) == 0
    assert capsys.readouterr().out == f"removed {root}/more.txt; take that back with: umi undo 3\n"
    assert main(["undo", "1"]) == 0
    assert capsys.readouterr().out == f"put back {root}/notes.txt; take that back with: umi undo 4\n"
    assert main(["undo", "--list"]) == 0
    listed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [(line[0], *line[3:]) for line in listed] == [
        ("4", "undo", "1", f"{root}/notes.txt"),
        ("3", "undo", "2", f"{root}/more.txt"),
        ("2", "new", f"{root}/more.txt", "(undone)"),
        ("1", "changed", f"{root}/notes.txt", "(undone)"),
    ]
    for argv, says in (
        (["undo"], "no write to undo"),
        (["undo", "1"], "take that back with: umi undo 4"),
        (["undo", "9"], "no write 9"),
        (["undo", "--list", "1"], "--list stands alone"),
    ):
        assert main(argv) == 2
        printed = capsys.readouterr()
        assert says in printed.err
        assert printed.err.count("\n") == 1
