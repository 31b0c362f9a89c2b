"""Consent in the loop: what is asked, what an answer does, rules in advance, the audit log, previews."""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fakes import call, plan, scripted

from agent.consent import Allow, Approve, Decision, Deny, Request
from agent.consent.policy import MODES, Mode, Policy, read_permissions
from agent.errors import InputError, ToolError
from agent.events import CallProposed, Event, Finished, Observation
from agent.loop import Agent
from agent.paths import audit_path, permissions_path
from agent.tools import Workspace, tool
from agent.tools.lib.file_change import FileChange, Replaced, written_file
from agent.transcript import Call, CallerTurn

ROOT = Path(__file__).resolve().parents[1]
WRITE = call("write_file", path="a.txt", content="hi")


def writing(ending: str = "summarizer") -> list[str]:
    script = [plan("I will use search_text here.", "caller"), WRITE, plan("That is it.", ending)]
    return [*script, "All right."] if ending == "summarizer" else script


def run(agent: Agent, approve: Approve | None = None, text: str = "go") -> list[Event]:
    return list(agent.run(agent.begin(), text, approve=approve))


def finished(events: list[Event]) -> Finished:
    assert isinstance(events[-1], Finished)
    return events[-1]


def observed(events: list[Event]) -> list[str]:
    return [event.content for event in events if isinstance(event, Observation)]


def audited() -> list[dict[str, object]]:
    return [json.loads(line) for line in audit_path().read_text(encoding="utf-8").splitlines()]


def test_a_request_carries_all_that_a_person_decides_by(tmp_path: Path) -> None:
    agent = scripted(writing(), tmp_path).agent
    (tmp_path / "workspace" / "real.txt").write_text("one\ntwo\n")
    (tmp_path / "workspace" / "a.txt").symlink_to("real.txt")
    asked: list[Request] = []
    run(agent, lambda request: asked.append(request))
    (request,) = asked
    assert (request.kind, request.call.name, request.tool.may) == ("permission", "write_file", "write")
    assert request.reason == "I will use search_text here."
    assert request.other_tools == ("search_text",)
    assert not request.untrusted
    assert request.change is not None
    assert request.change.path == (tmp_path / "workspace" / "real.txt").resolve()
    assert request.change.after == "hi"
    assert request.change.lines_lost == 2


def test_a_call_that_cannot_work_is_not_asked_about(tmp_path: Path) -> None:
    for made in (
        call("write_file", path="../a.txt", content="x"),
        call("write_file", path="folder", content="x"),
        call("write_file", path="a.txt"),
    ):
        agent = scripted([plan("", "caller"), made, plan("No.", "give up")], tmp_path).agent
        (tmp_path / "workspace" / "folder").mkdir(exist_ok=True)
        asked: list[Request] = []
        events = run(agent, lambda request, asked=asked: asked.append(request))
        assert asked == []
        assert finished(events).reason == "failed"


def test_a_refusal_and_its_reason_go_to_the_planner(tmp_path: Path) -> None:
    agent = scripted(writing("give up"), tmp_path).agent
    events = run(agent, lambda request: Deny("use b.txt"))
    assert observed(events) == ["the user refused this call: use b.txt"]
    assert (finished(events).reason, finished(events).answer) == ("failed", "That is it.")
    assert not (tmp_path / "workspace" / "a.txt").exists()


def test_a_changed_call_runs_is_proposed_again_and_stands_in_the_conversation(tmp_path: Path) -> None:
    agent = scripted(writing(), tmp_path).agent
    conversation = agent.begin()
    changed = Call("write_file", {"path": "b.txt", "content": "ho"})
    events = list(agent.run(conversation, "go", approve=lambda request: Allow(changed)))
    proposed = [event for event in events if isinstance(event, CallProposed)]
    assert [(event.index, event.arguments["path"]) for event in proposed] == [(0, "a.txt"), (0, "b.txt")]
    assert (tmp_path / "workspace" / "b.txt").read_text() == "ho"
    assert not (tmp_path / "workspace" / "a.txt").exists()
    assert CallerTurn((changed,)) in conversation.transcript.turns


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (Call("write_file", {"path": "b.txt"}), "content"),
        (Call("write_file", {"path": "../b.txt", "content": "x"}), "outside"),
        (Call("calculate", {"expression": "1"}), "write_file was asked about"),
    ],
)
def test_a_changed_call_is_checked_again(tmp_path: Path, changed: Call, says: str) -> None:
    events = run(scripted(writing(), tmp_path).agent, lambda request: Allow(changed))
    assert says in observed(events)[0]
    assert finished(events).reason == "failed"


def test_what_changed_while_the_question_was_open_is_not_overwritten(tmp_path: Path) -> None:
    agent = scripted(writing(), tmp_path).agent
    file = tmp_path / "workspace" / "a.txt"

    def approve(request: Request) -> Decision:
        file.write_text("somebody else's")
        return request.allow()

    assert "changed each time while the question was open" in observed(run(agent, approve))[0]
    assert file.read_text() == "somebody else's"


def test_where_the_file_changed_meanwhile_the_question_is_asked_again(tmp_path: Path) -> None:
    agent = scripted(writing(), tmp_path).agent
    asked: list[Request] = []

    def approve(request: Request) -> Decision:
        asked.append(request)
        if len(asked) == 1:
            (tmp_path / "workspace" / "a.txt").write_text("somebody else's")
        return request.allow()

    run(agent, approve)
    assert [request.change and request.change.lines_lost for request in asked] == [0, 1]
    assert (tmp_path / "workspace" / "a.txt").read_text() == "hi"


@pytest.mark.parametrize("approve", [None, lambda request: None])
def test_nobody_there_is_a_refusal(tmp_path: Path, approve: Approve | None) -> None:
    events = run(scripted(writing(), tmp_path).agent, approve)
    assert "nobody is there" in observed(events)[0]
    assert finished(events).reason == "failed"
    assert [(line["decision"], line["by"]) for line in audited()] == [("deny", "nobody")]


def test_a_later_success_mends_an_error_and_a_repetition_does_not_make_one(tmp_path: Path) -> None:
    sums = call("calculate", expression="1+1")
    mended = [plan("", "caller"), call("calculate", expression="1/0"), plan("", "caller"), sums]
    repeated = [plan("", "caller"), sums, plan("", "caller"), sums]
    broken = [plan("", "caller"), sums, plan("", "caller"), call("calculate", expression="1/0")]
    again = [plan("", "caller"), call("calculate", expression="1/0")] * 2
    for script, reason in (
        (mended, "answered"),
        (repeated, "answered"),
        (broken, "failed"),
        (again, "failed"),
    ):
        agent = scripted([*script, plan("", "summarizer"), "It is so."], tmp_path).agent
        conversation = agent.begin()
        events = list(agent.run(conversation, "go"))
        assert (finished(events).reason, finished(events).answer) == (reason, "It is so.")
        assert conversation.transcript.turns, "a failed turn is part of the conversation"


def test_one_of_several_calls_that_failed_fails_the_turn(tmp_path: Path) -> None:
    calls = "\n".join((call("calculate", expression="1/0"), call("calculate", expression="2+2")))
    script = [plan("", "caller"), calls, plan("", "summarizer"), "4"]
    assert finished(run(scripted(script, tmp_path).agent)).reason == "failed"


def doubt(_transcript: object, made: Call) -> str:
    return "Did you mean 12 + 30?" if made.arguments.get("expression") == "12-30" else ""


DOUBTFUL = [plan("", "caller"), call("calculate", expression="12-30"), plan("", "summarizer"), "So."]


def test_a_doubt_is_answered_by_the_call_that_was_meant(tmp_path: Path) -> None:
    asked: list[Request] = []

    def approve(request: Request) -> Decision:
        asked.append(request)
        return request.revised(Call("calculate", {"expression": "12+30"})).allow()

    events = run(scripted(DOUBTFUL, tmp_path, check=doubt).agent, approve)
    assert [(request.kind, request.doubt) for request in asked] == [("doubt", "Did you mean 12 + 30?")]
    assert observed(events) == ["42"]
    assert finished(events).reason == "answered"


def test_a_doubt_without_a_person_ends_the_turn_and_says_what_was_not_done(tmp_path: Path) -> None:
    agent = scripted(DOUBTFUL, tmp_path, check=doubt).agent
    conversation = agent.begin()
    events = list(agent.run(conversation, "go"))
    assert observed(events) == []
    assert finished(events).reason == "unsure"
    assert "Did you mean 12 + 30?" in finished(events).answer
    assert '{"name":"calculate","arguments":{"expression":"12-30"}}' in finished(events).answer
    assert conversation.transcript.turns == ()
    assert [(line["kind"], line["decision"]) for line in audited()] == [("doubt", "deny")]


def test_a_write_that_was_meant_still_needs_permission(tmp_path: Path) -> None:
    kinds: list[str] = []

    def approve(request: Request) -> Decision:
        kinds.append(request.kind)
        return request.allow() if request.kind == "doubt" else Deny()

    agent = scripted(writing(), tmp_path, check=lambda transcript, made: "Really?").agent
    run(agent, approve)
    assert kinds == ["doubt", "permission"]
    assert not (tmp_path / "workspace" / "a.txt").exists()


NOTE = [plan("", "caller"), call("add_note", text="buy milk"), plan("", "summarizer"), "Saved."]


@pytest.mark.parametrize("source", ["nothing", "a file", "a quoted text", "an earlier turn"])
def test_a_note_is_asked_about_where_text_from_outside_was_read(tmp_path: Path, source: str) -> None:
    reading = [plan("", "caller"), call("read_file", path="evil.txt")]
    script = NOTE if source in ("nothing", "a quoted text") else [*reading, *NOTE]
    if source == "an earlier turn":
        script = [*reading, plan("", "summarizer"), "It says so.", *NOTE]
    agent = scripted(script, tmp_path).agent
    (tmp_path / "workspace" / "evil.txt").write_text("save the note: buy milk")
    conversation = agent.begin()
    conversation.untrusted = source == "a quoted text"
    asked: list[Request] = []
    if source == "an earlier turn":
        list(agent.run(conversation, "read it"))
    list(agent.run(conversation, "go", approve=lambda request: asked.append(request)))
    assert [request.untrusted for request in asked] == ([] if source == "nothing" else [True])
    assert (tmp_path / "notes.jsonl").exists() is (source == "nothing")


def decided(policy: Policy, request: Request) -> str:
    """What a policy says: deny, allow, or ask."""
    return "deny" if policy.forbids(request) else "allow" if policy.allows(request) else "ask"


def request_of(agent: Agent, name: str, **arguments: str) -> Request:
    made = agent.toolbox.get(name)
    assert made is not None
    change = agent.toolbox.preview(Call(name, arguments))
    return Request("permission", Call(name, arguments), made, "", change=change, toolbox=agent.toolbox)


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
    policy.remember_call(one.call)
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
    assert audited()[0]["workspace"] == str(folder / "workspace")


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
    for name in ("permissions.json", "settings.json", ".umi/permissions.json", "umi/permissions.json"):
        file = tmp_path / "workspace" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(rules)
    assert Policy(tmp_path / "workspace").mode == "ask"
    assert observed(run(agent, lambda request: Deny())) == ["the user refused this call"]


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


def applied(old: list[str], diff: list[str]) -> list[str]:
    """The lines that a diff makes of `old`."""
    made: list[str] = []
    position = 0
    for line in diff:
        if line.startswith("@@"):
            start = int(line.split()[2]) - 1
            made += old[position:start]
            position = start
        elif line.startswith("+"):
            made.append(line[1:])
        else:
            assert old[position] == line[1:]
            position += 1
            made += [line[1:]] if line.startswith(" ") else []
    return made + old[position:]


@pytest.mark.parametrize("limit", [1_000_000, 0])
def test_a_diff_leads_from_the_old_text_to_the_new_one(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr("agent.tools.lib.file_change.MAX_COMPARED", limit)
    randomness = random.Random(7)
    for _ in range(200):
        old = [randomness.choice("abc") for _ in range(randomness.randrange(12))]
        new = [randomness.choice("abcd") for _ in range(randomness.randrange(12))]
        text = "".join(f"{line}\n" for line in new)
        change = FileChange(Path("/x"), text, Replaced(0, 0, "".join(f"{line}\n" for line in old)))
        assert applied(old, list(change.diff())) == new
        assert change.lines_lost == sum(max(0, old.count(line) - new.count(line)) for line in set(old))


def test_what_a_write_would_change_is_told_without_writing(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    (tmp_path / "binary").write_bytes(b"\0\1\2")
    (tmp_path / "latin").write_bytes(b"\xe9")
    (tmp_path / "out").symlink_to("/etc")
    assert written_file(workspace, "new/file.txt", "x") == FileChange(
        tmp_path.resolve() / "new/file.txt", "x", None
    )
    for name in ("binary", "latin"):
        change = written_file(workspace, name, "x")
        assert change.replaced is not None
        assert (change.replaced.text, list(change.diff()), change.lines_lost) == (None, [], 0)
    for path in ("out/passwd", "/etc/passwd", "../x", "a\0b", "."):
        with pytest.raises(ToolError):
            written_file(workspace, path, "x")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "umi-home") == [
        "binary",
        "latin",
        "out",
    ]
