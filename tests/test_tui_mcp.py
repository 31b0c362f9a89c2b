"""`umi mcp`: umi's own tools for other programs, confined and approved as in the app."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult, InputRequiredResult, TextContent

from agent.consent.audit import AuditLog
from agent.consent.policy import Policy
from agent.mcp.server import SERVED, ToolServing
from agent.paths import audit_path
from agent.setup import make_toolbox
from tui.cli.serve_tools import question_text

Era = Literal["auto", "legacy"]
ERAS: tuple[Era, ...] = ("auto", "legacy")
"""The client that is asked through results (2026-07-28), and the one that is asked by a request."""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "a.txt").write_text("hello\n")
    (folder / ".env").write_text("KEY=secret\n")
    return folder


def serving(workspace: Path, *, yes: bool = False, tools: Sequence[str] = SERVED) -> ToolServing:
    audit = AuditLog(workspace)
    return ToolServing(make_toolbox(workspace, tools), Policy(workspace, audit), audit, question_text, yes)


def client(served: ToolServing, era: Era, answer: ElicitResult | None, asked: list[str]) -> Client:
    """A client that gives `answer` to each question; None: it cannot ask."""

    async def answered(context: object, params: ElicitRequestParams) -> ElicitResult:
        assert answer is not None
        asked.append(params.message)
        return answer

    return Client(served.server, mode=era, elicitation_callback=answered if answer else None)


def said(result: CallToolResult) -> tuple[bool, str]:
    block = result.content[0]
    assert isinstance(block, TextContent)
    return bool(result.is_error), block.text


async def call(connected: Client, name: str, **arguments: Any) -> tuple[bool, str]:
    return said(await connected.call_tool(name, arguments))


YES = ElicitResult(action="accept", content={"allow": True})


@pytest.mark.parametrize("era", ERAS)
async def test_a_write_is_asked_about_through_the_client(workspace: Path, era: Era) -> None:
    asked: list[str] = []
    async with client(serving(workspace), era, YES, asked) as connected:
        assert [tool.name for tool in (await connected.list_tools()).tools] == list(SERVED)
        assert await call(connected, "read_file", path="a.txt") == (False, "hello")
        assert not asked
        done = await call(connected, "write_file", path="a.txt", content="new\n")
    assert done == (False, "wrote 4 characters to a.txt")
    assert len(asked) == 1
    assert f"file: {workspace.resolve() / 'a.txt'}" in asked[0]
    assert "replaces a file of 1 line; 1 line of it is lost" in asked[0]
    assert "content: new" in asked[0]
    decisions = [json.loads(line) for line in audit_path().read_text().splitlines()]
    assert decisions[-1]["by"] == "the user, asked through the client"


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "answer",
    [
        None,
        ElicitResult(action="decline"),
        ElicitResult(action="cancel"),
        ElicitResult(action="accept"),
        ElicitResult(action="accept", content={"allow": False}),
        ElicitResult(action="accept", content={"allow": "yes"}),
    ],
    ids=["cannot", "decline", "cancel", "empty", "false", "text"],
)
async def test_without_a_yes_nothing_is_written(
    workspace: Path, era: Era, answer: ElicitResult | None
) -> None:
    async with client(serving(workspace), era, answer, []) as connected:
        for name, arguments in (
            ("write_file", {"path": "new.txt", "content": "x"}),
            ("add_note", {"text": "remember this"}),
        ):
            failed, text = await call(connected, name, **arguments)
            assert failed
            assert "refused" in text or "nobody is there" in text
    assert not (workspace / "new.txt").exists()


@pytest.mark.parametrize("yes", [False, True])
async def test_confinement_holds_whatever_is_approved(workspace: Path, yes: bool) -> None:
    async with client(serving(workspace, yes=yes), "auto", YES, []) as connected:
        for name, arguments, why in (
            ("read_file", {"path": "/etc/passwd"}, "outside the workspace"),
            ("read_file", {"path": ".env"}, "may hold passwords"),
            ("write_file", {"path": "../x", "content": ""}, "outside the workspace"),
            ("write_file", {"path": ".git/config", "content": ""}, ".git"),
            ("calculate", {"expression": "1"}, "there is no tool calculate"),
            ("read_file", {"path": 3}, "path"),
        ):
            failed, text = await call(connected, name, **arguments)
            assert failed, name
            assert why in text


async def test_an_answer_counts_for_the_call_that_was_shown(workspace: Path) -> None:
    served = serving(workspace)
    async with client(served, "auto", YES, []) as connected:
        first = {"name": "write_file", "arguments": {"path": "a.txt", "content": "harmless"}}
        asked = await connected.session.call_tool(**first, allow_input_required=True)
        assert isinstance(asked, InputRequiredResult)
        state = asked.request_state
        other = {"name": "write_file", "arguments": {"path": "a.txt", "content": "harmful"}}
        for repeated in (other, first):
            again = await connected.session.call_tool(
                **repeated, input_responses={"allow": YES}, request_state=state, allow_input_required=True
            )
            assert isinstance(again, InputRequiredResult)
    assert (workspace / "a.txt").read_text() == "hello\n"


async def test_rules_and_modes_of_the_user_apply(workspace: Path) -> None:
    Policy(workspace).remember_tool("write_file")
    served = serving(workspace)
    async with client(served, "auto", None, []) as connected:
        assert not (await call(connected, "write_file", path="b.txt", content="x"))[0]
        served.policy.mode = "read-only"
        assert (await call(connected, "write_file", path="c.txt", content="x"))[1].startswith(
            "umi is in read-only"
        )
    assert (workspace / "b.txt").exists()
    assert not (workspace / "c.txt").exists()


async def test_the_command_serves_standard_input(workspace: Path) -> None:
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "tui", "mcp", "--workspace", str(workspace), "--tools", "read_file,convert_units"],
        env={"UMI_HOME": os.environ["UMI_HOME"], "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    async with Client(command) as connected:
        assert [tool.name for tool in (await connected.list_tools()).tools] == ["read_file", "convert_units"]
        assert await call(connected, "convert_units", value=1, from_unit="km", to_unit="m") == (
            False,
            "1000 m",
        )
