"""What was allowed in advance stands for just that: the same call with the same effect, the same folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from approval_turns import decided, request_of
from fakes import scripted

from agent.consent import Request
from agent.consent.policy import Policy
from agent.tools import tool
from agent.transcript import Call


def test_a_call_that_does_something_else_by_now_is_asked_about_again(tmp_path: Path) -> None:
    agent = scripted([], tmp_path).agent
    policy, workspace = agent.policy, tmp_path / "workspace"
    assert policy is not None
    for name in ("one", "two"):
        (workspace / name).mkdir()
    link = workspace / "link"
    link.symlink_to("one")

    def write(path: str, content: str = "x") -> str:
        return decided(policy, request_of(agent, "write_file", path=path, content=content))

    policy.remember_call(request_of(agent, "write_file", path="link/caf\u00e9", content="x"))
    assert write("link/caf\u00e9") == "allow"
    for path in (
        "link/cafe\u0301",
        "LINK/caf\u00e9",
        "link/caf\u00e9.",
        "./link/caf\u00e9",
        "link//caf\u00e9",
    ):
        assert write(path) == "ask", path
    for path in ("link/../link/caf\u00e9", "one/caf\u00e9", "two/caf\u00e9", f"{workspace}/one/caf\u00e9"):
        assert write(path) == "ask", path
    assert write("link/caf\u00e9", "x\n") == "ask"
    link.unlink()
    link.symlink_to("two")
    assert write("link/caf\u00e9") == "ask", "the link leads elsewhere"
    link.unlink()
    (workspace / "one").rename(workspace / "three")
    (workspace / "two").rename(workspace / "one")
    link.symlink_to("three")
    assert write("link/caf\u00e9") == "ask", "the folder was renamed"


def test_a_call_of_a_tool_that_is_another_by_now_is_asked_about_again(tmp_path: Path) -> None:
    policy = Policy(tmp_path)

    @tool(may="network")
    def send(text: str) -> str:
        """Send a text to the printer."""
        return text

    request = Request("permission", Call("send", {"text": "x"}), send, "")
    policy.remember_call(request)
    assert decided(policy, request) == "allow"
    elsewhere = replace(send.spec, description="Send a text to everybody.")
    for other in (
        replace(send, spec=elsewhere),
        replace(send, source="another"),
        replace(send, may="execute"),
    ):
        assert decided(policy, replace(request, tool=other)) == "ask"


@pytest.mark.parametrize("other", ["Project", "projec\u0327t", "project.", "project/below", "."])
def test_the_rules_of_a_folder_stand_for_no_other(tmp_path: Path, other: str) -> None:
    agent = scripted([], tmp_path).agent
    folder = tmp_path / "project"
    folder.mkdir()
    (tmp_path / other).mkdir(exist_ok=True)
    request = request_of(agent, "write_file", path="a", content="x")
    Policy(folder).remember_tool("write_file")
    for same in (folder, tmp_path / "project/", tmp_path / "x/../project", folder / "."):
        assert decided(Policy(same), request) == "allow"
    assert decided(Policy(tmp_path / other), request) == "ask"
    link = tmp_path / "link"
    link.symlink_to("project")
    at_first = Policy(link)
    link.unlink()
    link.symlink_to(other)
    assert decided(at_first, request) == "allow", "a policy stands for the folder that it was made in"
    assert decided(Policy(link), request) == "ask", "the link leads elsewhere"
