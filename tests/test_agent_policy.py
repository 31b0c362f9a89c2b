"""What is allowed or forbidden in advance: modes and rules; and the audit log of every decision."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from approval_turns import NOTE, audited, decided, finished, observed, request_of, run, writing
from fakes import call, plan, scripted

from agent.consent import Deny, Request
from agent.consent.policy import MODES, Mode, Policy, read_permissions
from agent.errors import InputError, UmiError
from agent.paths import audit_path, permissions_path
from agent.tools import tool
from agent.transcript import Call

ROOT = Path(__file__).resolve().parents[1]


def test_what_the_modes_do(tmp_path: Path) -> None:
    agent = scripted([], tmp_path).agent
    assert agent.policy is not None
    write = request_of(agent, "write_file", path="a", content="x")
    note = request_of(agent, "add_note", text="x")

    @tool(may="execute")
    def run_program(command: str) -> str:
        """Run a program."""
        return command

    @tool(may="write")
    def write_somewhere(text: str) -> str:
        """Write a text, nobody knows where."""
        return text

    program = Request("permission", Call("run_program", {"command": "ls"}), run_program, "")
    unknown = Request("permission", Call("write_somewhere", {"text": "x"}), write_somewhere, "")
    said: dict[Mode, list[str]] = {}
    for mode in MODES:
        agent.policy.mode = mode
        said[mode] = [decided(agent.policy, request) for request in (write, note, program, unknown)]
    assert said == {
        "ask": ["ask"] * 4,
        "read-only": ["deny"] * 4,
        "auto": ["allow", "ask", "ask", "ask"],
    }


def test_read_only_refuses_notes_and_what_a_program_approves(tmp_path: Path) -> None:
    for script in (writing(), NOTE):
        agent = scripted(script, tmp_path).agent
        assert agent.policy is not None
        agent.policy.mode = "read-only"
        assert "read-only" in observed(run(agent, Request.allow))[0]
    assert not (tmp_path / "notes.jsonl").exists()
    assert not (tmp_path / "workspace" / "a.txt").exists()


def test_rules_never_apply_where_nobody_is_there(tmp_path: Path) -> None:
    agent = scripted(writing(), tmp_path).agent
    assert agent.policy is not None
    agent.policy.remember_tool("write_file")
    agent.policy.mode = "auto"
    assert "nobody is there" in observed(run(agent))[0]


def test_a_call_is_allowed_for_the_session_and_a_tool_for_its_folder(tmp_path: Path) -> None:
    agent = scripted([], tmp_path).agent
    policy = agent.policy
    assert policy is not None
    one = request_of(agent, "write_file", path="a", content="x")
    other = request_of(agent, "write_file", path="b", content="x")
    policy.remember_call(one)
    assert [decided(policy, request) for request in (one, other)] == ["allow", "ask"]
    assert decided(Policy(policy.workspace), one) == "ask"
    policy.remember_tool("write_file")
    assert decided(Policy(policy.workspace), other) == "allow"
    assert decided(Policy(policy.workspace / "below"), other) == "ask"
    assert decided(Policy(policy.workspace.parent), other) == "ask"
    assert policy.allowed() == (("write_file",), (one.call,))
    assert policy.revoke("calculate") == 0
    assert policy.revoke("write_file") == 2
    assert [decided(policy, request) for request in (one, other)] == ["ask", "ask"]
    assert policy.allowed() == ((), ())
    assert stat.S_IMODE(permissions_path().stat().st_mode) == 0o600


def test_a_folder_whose_name_is_not_utf8_has_rules_and_records(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    agent = scripted(writing(), folder).agent
    assert agent.policy is not None
    agent.policy.remember_tool("write_file")
    assert Policy(agent.policy.workspace).allowed() == (("write_file",), ())
    assert finished(run(agent, lambda request: Deny())).reason == "answered"
    assert {line["workspace"] for line in audited()} == {str(folder / "workspace")}


def test_changes_of_the_mode_and_the_rules_are_recorded(tmp_path: Path) -> None:
    agent = scripted([], tmp_path).agent
    policy = agent.policy
    assert policy is not None
    policy.mode = "auto"
    policy.remember_tool("write_file")
    policy.remember_call(request_of(agent, "write_file", path="a", content="x"))
    policy.revoke()
    assert [(line["kind"], line.get("mode", line.get("tool"))) for line in audited()] == [
        ("mode", "auto"),
        ("rule", "write_file"),
        ("rule", "write_file"),
        ("revocation", "all"),
    ]


def test_a_mode_that_cannot_be_recorded_is_not_switched_to(tmp_path: Path, umi_home: Path) -> None:
    policy = scripted([], tmp_path).agent.policy
    assert policy is not None
    audit_path().mkdir(parents=True)
    with pytest.raises(UmiError, match=r"audit\.jsonl cannot be written"):
        policy.mode = "auto"
    assert policy.mode == "ask"


def test_a_rule_that_another_process_took_back_is_gone_at_once(tmp_path: Path) -> None:
    policy = scripted([], tmp_path).agent.policy
    assert policy is not None
    policy.remember_tool("write_file")
    Policy(policy.workspace).revoke()
    assert policy.allowed() == ((), ())


def test_a_rule_may_forbid_a_tool_and_survives_a_revocation(tmp_path: Path, umi_home: Path) -> None:
    agent = scripted(writing(), tmp_path).agent
    folder = str(tmp_path / "workspace")
    umi_home.mkdir()
    permissions_path().write_text(json.dumps({"folders": {folder: {"tools": {"write_file": "deny"}}}}))
    assert agent.policy is not None
    agent.policy.mode = "auto"
    assert "forbid write_file" in observed(run(agent, Request.allow))[0]
    assert agent.policy.revoke() == 0
    assert read_permissions().folders[folder].tools == {"write_file": "deny"}


def test_a_rule_may_forbid_a_tool_that_reads(tmp_path: Path, umi_home: Path) -> None:
    script = [plan("", "caller"), call("list_files"), plan("", "give up")]
    agent = scripted(script, tmp_path).agent
    umi_home.mkdir()
    rules = {"folders": {str(tmp_path / "workspace"): {"mode": "read-only", "tools": {"list_files": "deny"}}}}
    permissions_path().write_text(json.dumps(rules))
    assert "forbid list_files" in observed(run(agent, Request.allow))[0]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"folders": 1}',
        '{"folders": {"/": {"mode": "yolo"}}}',
        '{"more": 1}',
        "\0",
        "[" * 10**5,
    ],
)
def test_damaged_rules_are_one_line_and_allow_nothing(tmp_path: Path, umi_home: Path, content: str) -> None:
    agent = scripted(writing(), tmp_path).agent
    umi_home.mkdir()
    permissions_path().write_text(content)
    with pytest.raises(InputError) as raised:
        Policy(tmp_path)
    assert "permissions.json" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert finished(run(agent, Request.allow)).reason == "error"
    assert not (tmp_path / "workspace" / "a.txt").exists()


def test_nothing_in_a_workspace_is_a_rule(tmp_path: Path) -> None:
    agent = scripted(writing(), tmp_path).agent
    rules = json.dumps(
        {"folders": {str(tmp_path / "workspace"): {"mode": "auto", "tools": {"write_file": "allow"}}}}
    )
    for name in ("permissions.json", "config.toml", ".umi/permissions.json", "umi/permissions.json"):
        file = tmp_path / "workspace" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(rules)
    assert Policy(tmp_path / "workspace").mode == "ask"
    assert observed(run(agent, lambda request: Deny())) == ["the user refused this call"]


@pytest.mark.parametrize("kind", ["pipe", "null"])
def test_an_audit_log_that_keeps_nothing_is_one_clear_line(tmp_path: Path, umi_home: Path, kind: str) -> None:
    agent = scripted(writing(), tmp_path).agent
    umi_home.mkdir()
    os.mkfifo(audit_path()) if kind == "pipe" else audit_path().symlink_to("/dev/null")
    events = run(agent, lambda request: request.allow())
    says = f"{audit_path()} cannot be written: it is not a regular file; move it away or write elsewhere"
    assert finished(events).answer == says
    assert not (tmp_path / "workspace" / "a.txt").exists()


def test_where_the_audit_log_cannot_be_written_nothing_runs(tmp_path: Path, umi_home: Path) -> None:
    umi_home.mkdir()
    audit_path().mkdir()
    events = run(scripted(writing(), tmp_path).agent, Request.allow)
    assert finished(events).reason == "error"
    assert "audit.jsonl cannot be written" in finished(events).answer
    assert not (tmp_path / "workspace" / "a.txt").exists()


WRITER = """
import sys
sys.path[:0] = sys.argv[1:3]
from pathlib import Path
from fakes import scripted
from agent.consent import Request
from agent.transcript import Call
agent = scripted([], Path(sys.argv[3])).agent
print("ready", flush=True)
for n in range(10**6):
    call = Call("write_file", {"path": f"{n}.txt", "content": "x" * 2000})
    request = Request("permission", call, agent.toolbox.get("write_file"), "", toolbox=agent.toolbox)
    agent.audit.record(request, request.allow())
    agent.toolbox.run(call)
"""


def test_killed_processes_lose_no_line_of_a_call_that_ran(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    command = [sys.executable, "-P", "-c", WRITER, str(ROOT), str(ROOT / "tests")]
    for _ in range(2):
        started = [subprocess.Popen([*command, str(f)], stdout=subprocess.PIPE) for f in folders]
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        time.sleep(0.1)
        for process in started:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
    content = audit_path().read_bytes().splitlines()
    lines = [json.loads(line) for line in content if line.endswith(b"}")]
    assert len(content) - len(lines) <= 4, "a kill may cut off one line at most"
    for folder in folders:
        written = {path.name for path in (folder / "workspace").glob("*.txt")}
        logged = {
            line["arguments"]["path"] for line in lines if line["workspace"] == str(folder / "workspace")
        }
        assert written
        assert written <= logged
