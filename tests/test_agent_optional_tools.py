"""The tools that are off until they are switched on: how they are, what is asked, the to-do list."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.config import read_config, set_value
from agent.consent import Allow, Request
from agent.consent.policy import Policy
from agent.errors import InputError, ToolError
from agent.setup import make_toolbox
from agent.tools import BUILTIN_NAMES, OPTIONAL_NAMES, ToolContext, Workspace, optional_tools
from agent.tools.sandbox import report
from agent.tools.sandbox.run import Confinement
from agent.tools.toolbox import Toolbox
from agent.transcript import Call
from tui.approval_text import parts_of

CODE = "import os\nfor name in os.listdir():\n    print(name)\n" + "\n".join(
    f"print({i})" for i in range(300)
)


@pytest.fixture
def confinable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "find_confinement", lambda: Confinement("Landlock"))


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    return ToolContext(Workspace(tmp_path), tmp_path / "data" / "notes.jsonl")


def question(context: ToolContext, call: Call) -> Request:
    toolbox = Toolbox(optional_tools(), context)
    tool = toolbox.get(call.name)
    assert tool
    return Request("permission", call, tool, "Let me look.", toolbox=toolbox)


def test_they_are_off_and_the_settings_switch_them_on(tmp_path: Path, confinable: None):
    def names() -> set[str]:
        return {tool.name for tool in make_toolbox(tmp_path).tools}

    assert names() == set(BUILTIN_NAMES)
    set_value("extra_tools", "run_python, add_todo,list_todos")
    assert names() == {*BUILTIN_NAMES, "run_python", "add_todo", "list_todos"}
    chosen = make_toolbox(tmp_path, ["finish_todo", "calculate"])
    assert [tool.name for tool in chosen.tools] == ["finish_todo", "calculate"]
    assert not chosen.context.code_writes
    set_value("code_writes", "true")
    assert make_toolbox(tmp_path).context.code_writes
    with pytest.raises(InputError, match="extra_tools"):
        set_value("extra_tools", "run_anything")
    assert read_config().switched_on == ("run_python", "add_todo", "list_todos")


def test_what_cannot_run_here_is_not_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        report, "find_confinement", lambda: Confinement("none", "bubblewrap is not installed")
    )
    set_value("extra_tools", "run_python,run_command")
    assert {tool.name for tool in make_toolbox(tmp_path).tools} == set(BUILTIN_NAMES)
    with pytest.raises(InputError, match="run_command cannot be offered: bubblewrap is not installed"):
        make_toolbox(tmp_path, ["run_command"])


def test_what_they_may(context: ToolContext):
    tools = {tool.name: tool for tool in optional_tools()}
    assert tuple(tools) == OPTIONAL_NAMES
    may = {name: tool.may for name, tool in tools.items()}
    assert may == {
        "run_python": "execute",
        "run_command": "execute",
        "fetch_url": "network",
        "add_todo": "note",
        "list_todos": "read",
        "finish_todo": "note",
    }
    assert all(tools[name].untrusted for name in ("run_python", "run_command", "fetch_url", "list_todos"))


def test_the_question_shows_the_whole_code_and_what_it_can_do(context: ToolContext, confinable: None):
    request = question(context, Call("run_python", {"code": CODE}))
    parts = {part.label: part for part in parts_of(request)}
    assert parts[f"code (303 lines, {len(CODE)} characters)"].text == CODE
    assert parts["effect"].text.startswith("reads the workspace and changes nothing; no network")
    writing = question(replace(context, code_writes=True), Call("run_command", {"command": "make"}))
    effect = next(part.text for part in parts_of(writing) if part.label == "effect")
    assert effect.startswith("changes files of the workspace")
    hidden = question(context, Call("run_command", {"command": "echo a\u202e \x1b[2K"}))
    assert next(part.text for part in parts_of(hidden) if part.label == "command") == "echo a\\u202e \\x1b[2K"


def test_a_rule_for_code_that_reads_does_not_cover_code_that_writes(context: ToolContext, confinable: None):
    policy = Policy(context.workspace.root)
    policy.remember_tool("run_command")
    policy.mode = "auto"
    call = Call("run_command", {"command": "make"})
    assert isinstance(policy.allows(question(context, call)), Allow)
    assert policy.allows(question(replace(context, code_writes=True), call)) is None
    assert policy.allows(question(context, Call("run_python", {"code": "1"}))) is None
    policy.mode = "read-only"
    assert policy.forbids(question(context, call))


def test_the_tools_run_code(context: ToolContext, monkeypatch: pytest.MonkeyPatch):
    if problem := report.confinement_problem():
        pytest.skip(problem)
    toolbox = Toolbox(optional_tools(), context)
    (context.workspace.root / "a.txt").write_text("text\n")
    assert toolbox.run(Call("run_command", {"command": "cat a.txt | tr a-z A-Z"})) == "TEXT"
    assert toolbox.run(Call("run_python", {"code": "import sys; print(sys.version_info[0])"})) == "3"
    assert toolbox.run(Call("run_python", {"code": "for i in range(500): print(i)"})).startswith("0\n1\n2\n")
    with pytest.raises(ToolError, match="NameError"):
        toolbox.run(Call("run_python", {"code": "x"}))
    with pytest.raises(ToolError, match="exit code"):
        toolbox.run(Call("run_python", {"code": "print('\ud800')"}))


def test_the_to_do_list(context: ToolContext):
    toolbox = Toolbox(optional_tools(), context)

    def ask(name: str, **arguments: object) -> str:
        return toolbox.run(Call(name, arguments))

    assert ask("list_todos") == "nothing is open on the to-do list"
    assert ask("add_todo", text="  buy\n milk ") == "added entry 1"
    assert ask("add_todo", text="call Ann") == "added entry 2"
    assert ask("list_todos") == "1: buy milk\n2: call Ann"
    assert ask("finish_todo", number=1) == "done: buy milk"
    assert ask("list_todos") == "2: call Ann"
    for number in (1, 7, -1):
        with pytest.raises(ToolError, match=f"no open entry {number}; open are: 2"):
            ask("finish_todo", number=number)
    assert ask("add_todo", text="more") == "added entry 3"
    path = context.notes.with_name("todos.jsonl")
    assert path.stat().st_mode & 0o077 == 0
    with path.open("a") as file:
        file.write('[1]\n{"done": "2"}\n{"done": true}\nhalf a li')
    assert ask("list_todos") == "2: call Ann\n3: more"
    assert ask("add_todo", text="last") == "added entry 4"
    for text, said in {" ": "empty", "x" * 1001: "longer than 1000", "\ud800": "UTF-8"}.items():
        with pytest.raises(ToolError, match=said):
            ask("add_todo", text=text)
    assert not context.notes.exists()
