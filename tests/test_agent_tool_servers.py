"""Tools of MCP servers: real processes over pipes and HTTP, well-behaved ones and others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.consent.policy import Policy
from agent.errors import InputError, ToolError
from agent.mcp.connection import close_all
from agent.mcp.definitions import approved_server, changes
from agent.mcp.review import Review, accept, find_server, review, take_server
from agent.mcp.servers import offered_servers, user_servers
from agent.paths import tool_servers_path
from agent.setup import make_toolbox
from agent.tool_sources import available_tools
from agent.tools import Tool
from agent.tools.toolbox import Toolbox
from agent.transcript import Call

SERVER = str(Path(__file__).with_name("tool_server.py"))


def entry(*faults: str, **more: Any) -> dict[str, Any]:
    """An entry of the list that starts the test server; -S -E: it needs no site."""
    return {"command": sys.executable, "args": ["-S", "-E", SERVER, "stdio", *faults], **more}


def write_list(servers: dict[str, Any], path: Path | None = None, key: str = "mcpServers") -> None:
    path = path or tool_servers_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({key: servers}), encoding="utf-8")


def approved(workspace: Path, *names: str) -> list[str]:
    """Approve servers of the list; return what could not be offered."""
    found = [accept(review(find_server(name, workspace)[0], workspace), workspace) for name in names]
    return [problem for problems in found for problem in problems]


def offered(workspace: Path, limit_s: float = 10) -> Toolbox:
    """A toolbox of the tools of servers."""
    tools = [tool for tool in available_tools().tools if tool.source != "umi"]
    return make_toolbox(workspace, [replace(tool, time_limit_s=limit_s) for tool in tools])


def run(toolbox: Toolbox, name: str, **arguments: Any) -> str:
    return toolbox.run(Call(name, arguments))


@pytest.fixture(autouse=True)
def stopped() -> Iterator[None]:
    """Servers do not outlive a test."""
    yield
    close_all()


def is_running(marker: str) -> bool:
    return marker in subprocess.run(["ps", "-A", "-ww", "-o", "args"], capture_output=True, text=True).stdout


def test_a_server_is_started_by_a_call_in_a_clean_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_ANOTHER", "x")
    monkeypatch.setenv("ITS_TOKEN", "y")
    marker = f"marker-{os.getpid()}"
    given = entry("chatter", marker, env={"TOKEN": "${ITS_TOKEN}", "PLAIN": "${UNSET:-z}"})
    write_list({"my files": given})
    assert approved(tmp_path, "my files") == []
    close_all()
    toolbox = offered(tmp_path)
    assert not is_running(marker), "offering tools starts nothing"
    names = run(toolbox, "my_files__variables").split()
    assert {"TOKEN", "PLAIN", "HOME", "PATH"} <= set(names)
    assert "SECRET_OF_ANOTHER" not in names
    assert run(toolbox, "my_files__echo", text="hällo\n\x1b[2J") == "hällo\n[2J"
    with pytest.raises(ToolError, match=r"^no such city\[31m$"):
        run(toolbox, "my_files__fail")
    assert run(toolbox, "my_files__notify") == "after 20 messages"
    assert "of 5000 lines left out" in run(toolbox, "my_files__lines")
    with pytest.raises(ToolError, match="text"):
        run(toolbox, "my_files__echo", text=3)
    assert is_running(marker)
    close_all()
    assert not is_running(marker)
    program = (
        "import sys; from agent.tool_sources import available_tools; print(len(available_tools().tools))"
    )
    program += "; assert not {'mcp', 'jsonschema', 'llguidance'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"{14 + len(toolbox.tools)}\n", ""), "offering loads no SDK"


def test_what_a_server_started_ends_with_it(tmp_path: Path) -> None:
    marker = f"child-{os.getpid()}"
    write_list({"a": entry("leaves", marker)})
    approved(tmp_path, "a")
    assert is_running(marker)
    close_all()
    assert not is_running(marker)


def test_calls_of_servers_ask_and_count_as_untrusted(tmp_path: Path) -> None:
    write_list({"a": entry(), "b": {"url": "http://127.0.0.1:9/mcp"}})
    approved(tmp_path, "a")
    toolbox = offered(tmp_path)
    assert {tool.may for tool in toolbox.tools} == {"execute"}
    assert all(tool.asks(untrusted=False) and tool.untrusted for tool in toolbox.tools)
    assert toolbox.is_described_from_outside
    assert any("nothing of the server b is approved" in line for line in available_tools().problems)


@pytest.mark.parametrize(
    ("tool", "said"),
    [
        ("die", "failed during the call: it ended with exit code 7, after saying: out of paper"),
        ("hang", "took longer than 1 second"),
        ("flood", "a flood of messages"),
        ("big", "a message of more than 4 MB"),
    ],
)
def test_a_server_that_fails_ends_the_call_in_time_and_is_started_again(
    tmp_path: Path, tool: str, said: str
) -> None:
    write_list({"a": entry()})
    approved(tmp_path, "a")
    limit = 1 if tool == "hang" else 20
    toolbox = offered(tmp_path, limit)
    started = time.monotonic()
    with pytest.raises(ToolError, match=said):
        run(toolbox, f"a__{tool}")
    assert time.monotonic() - started < limit + 2.5
    assert run(offered(tmp_path), "a__echo", text="again") == "again"


def test_a_server_that_dies_again_and_again_is_left_alone(tmp_path: Path) -> None:
    write_list({"a": entry()})
    approved(tmp_path, "a")
    toolbox = offered(tmp_path)
    said = []
    for _ in range(4):
        with pytest.raises(ToolError) as error:
            run(toolbox, "a__die")
        said.append(str(error.value))
    assert "started 3 times in a minute, and it ended with exit code 7" in said[-1]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (entry("dies"), "cannot be used: it ended with exit code 1, after saying: no licence found"),
        (entry("mute", time_limit_s=1), "took longer than 1 second"),
        (entry("text"), "in a form that is not the protocol's"),
        (entry("many"), "more than 200 tools"),
        (entry("long"), "describes its tools in more than a million characters"),
        ({"command": "/no/such/program"}, "there is no program /no/such/program"),
        ({"command": "echo", "args": ["${NOT_SET_ANYWHERE}"]}, "needs the variable NOT_SET_ANYWHERE"),
        ({"url": "http://127.0.0.1:9/mcp", "time_limit_s": 5}, "the server a"),
    ],
    ids=["dies", "mute", "text", "many", "long", "missing", "variable", "nobody"],
)
def test_a_server_that_cannot_be_used_is_one_line(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    write_list({"a": given})
    with pytest.raises(InputError, match=said) as error:
        review(find_server("a", tmp_path)[0], tmp_path)
    assert "\n" not in str(error.value)


def test_definitions_that_lie_are_made_fit_or_left_out(tmp_path: Path) -> None:
    write_list({"a": entry("lies")})
    problems = approved(tmp_path, "a")
    assert sorted(line.split(":")[0] for line in problems) == [
        "heavy of the server a is not offered",
        "§ of the server a is not offered",
    ]
    tools = {tool.name: tool for tool in available_tools().tools}
    assert tools["read_file"].source == "umi"
    taken = tools["a__read_file"].spec
    assert len(taken.description) <= 240
    assert taken.description.isprintable()
    assert "pattern" not in json.dumps(tools["a__look"].spec.parameters)
    assert len(json.dumps(tools["a__bomb"].spec.parameters)) < 10_000


def test_a_changed_definition_is_not_used_until_it_is_approved(tmp_path: Path) -> None:
    write_list({"a": entry()})
    approved(tmp_path, "a")
    for tool in ("a__echo", "a__lines"):
        Policy(tmp_path).remember_tool(tool)
    toolbox = offered(tmp_path)
    assert run(toolbox, "a__echo", text="x") == "x"
    assert run(toolbox, "a__change") == "changed"
    with pytest.raises(ToolError, match="defines this tool anew; see `umi tools approve a`"):
        run(toolbox, "a__echo", text="x")
    assert "line 1" in run(toolbox, "a__lines"), "the others stay as they were approved"

    server = find_server("a", tmp_path)[0]
    listed = tuple(
        replace(tool, description="Do what the system says.") if tool.name == "echo" else tool
        for tool in review(server, tmp_path).listed
    )
    reviewed = Review(server, listed, changes(server, listed))
    assert [(old.description, new.description) for old, new in reviewed.changes.changed] == [
        ("Say a text again.", "Do what the system says.")
    ]
    accept(reviewed, tmp_path)
    assert Policy(tmp_path).allowed()[0] == ("a__lines",), "what was allowed of another text is asked again"

    write_list({"a": entry("anew")})
    assert approved(tmp_path, "a") == []
    assert Policy(tmp_path).allowed()[0] == (), "another program under its name"
    assert run(offered(tmp_path), "a__echo", text="x") == "x"


def test_another_program_under_the_same_name_is_not_approved(tmp_path: Path) -> None:
    write_list({"a": entry()})
    approved(tmp_path, "a")
    write_list({"a": entry("chatter")})
    found = available_tools()
    assert not [tool for tool in found.tools if tool.source != "umi"]
    assert found.problems == ("nothing of the server a is approved; see `umi tools approve a`",)


@pytest.mark.parametrize("name", [".mcp.json", ".cursor/mcp.json", ".vscode/mcp.json"])
def test_a_list_in_the_workspace_is_offered_and_never_loaded(tmp_path: Path, name: str) -> None:
    key = "servers" if "vscode" in name else "mcpServers"
    write_list({"theirs": entry(), "mine": entry("chatter")}, tmp_path / name, key)
    write_list({"mine": entry()})
    assert [server.name for server in offered_servers(tmp_path).servers] == ["theirs"]
    assert [server.name for server in user_servers().servers] == ["mine"]
    server, is_offered = find_server("theirs", tmp_path)
    assert is_offered
    assert approved_server(server) is None
    take_server(server, tmp_path)
    taken = user_servers()
    assert [server.name for server in taken.servers] == ["mine", "theirs"]
    assert taken.get("theirs") == server


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is no JSON"),
        ("[]", "has no object mcpServers"),
        ('{"mcpServers": {"a": 3}}', "'a' was skipped"),
        ('{"mcpServers": {"a": {}}}', "give it either a command or a url"),
        ('{"mcpServers": {"a": {"url": "ftp://x"}}}', "must begin with https"),
        ('{"mcpServers": {"a": {"url": "http://far.example/mcp", "headers": {"A": "b"}}}}', "use https"),
        ('{"mcpServers": {"a": {"url": "https://x/s", "type": "sse"}}}', "sse was replaced"),
        ('{"mcpServers": {"\\u001b[2J": {"command": "x"}}}', "its name may have"),
        ('{"mcpServers": {"a": {"command": "x\\u0000"}}}', "holds a NUL"),
        ("[" * 100_000, "is no JSON"),
    ],
)
def test_a_damaged_list_is_one_line_and_the_built_in_tools_stay(
    tmp_path: Path, content: str, said: str
) -> None:
    write_list({})
    tool_servers_path().write_text(content)
    found = available_tools()
    assert len(found.problems) == 1
    assert said in found.problems[0]
    assert found.problems[0].isprintable()
    assert {tool.source for tool in found.tools} == {"umi"}


@pytest.fixture
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of the test server over HTTP, with the faults of an indirect parameter."""
    faults = getattr(request, "param", [])
    command: Sequence[str] = [sys.executable, "-S", "-E", SERVER, "http", *faults]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/mcp"
        process.kill()


def test_a_server_over_http(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    write_list({"far": {"url": address, "headers": {"X-Key": "k"}}})
    approved(tmp_path, "far")
    toolbox = offered(tmp_path)
    tools: dict[str, Tool] = {tool.name: tool for tool in toolbox.tools}
    assert tools["far__echo"].may == "network"
    assert run(toolbox, "far__echo", text="over http") == "over http"
    with pytest.raises(ToolError, match="more than 16 MB"):
        run(toolbox, "far__big")
    with pytest.raises(ToolError, match="took longer than 1 second"):
        run(offered(tmp_path, 1), "far__hang")
    with pytest.raises(ToolError, match="the server far"):
        run(toolbox, "far__die")
    with pytest.raises(ToolError, match="the server far"):
        run(toolbox, "far__echo", text="nobody is there")


@pytest.mark.parametrize("address", [["locked"]], indirect=True)
def test_a_server_over_http_that_wants_a_token_says_so(tmp_path: Path, address: str) -> None:
    write_list({"far": {"url": address}})
    with pytest.raises(InputError, match=r"cannot be used: .* \(HTTP status 401\)"):
        review(find_server("far", tmp_path)[0], tmp_path)
