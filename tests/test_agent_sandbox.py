"""The sandbox: what code can reach, what ends it, and what is left behind, by each way to confine it."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from code_attacks import ESCAPES, FORK_BOMBS

from agent.errors import ToolError
from agent.tools import ToolContext, Workspace
from agent.tools.lib.time_limit import CallEndedError, run_limited
from agent.tools.sandbox import bubblewrap, landlock, report, run
from agent.tools.sandbox.limits import MIB, Limits
from agent.tools.sandbox.run import Confinement, find_confinement, run_confined
from agent.tools.sandbox.system_calls import filter_program
from agent.tools.sandbox.view import View, view_of
from agent.tools.sandbox.watch import Outcome
from agent.tools.undo.store import UndoStore

PROBLEMS = {"bubblewrap": bubblewrap.bubblewrap_problem(), "Landlock": landlock.landlock_problem()}
PYTHON = [sys.executable, "-I"]


@pytest.fixture(params=["bubblewrap", "Landlock"])
def confinement(request: pytest.FixtureRequest) -> Confinement:
    if problem := PROBLEMS[request.param]:
        pytest.skip(problem)
    return Confinement(request.param)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    folder = tmp_path / "work"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("hello\n")
    (folder / "sub" / "b.txt").write_text("there\n")
    (folder / ".env").write_text("TOKEN=secret\n")
    (folder / "sub" / ".ssh").mkdir()
    (folder / "sub" / ".ssh" / "id_ed25519").write_text("key\n")
    return Workspace(folder.resolve(), undo=UndoStore(tmp_path / "undo"))


@pytest.fixture
def context(workspace: Workspace, tmp_path: Path, confinement: Confinement, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(report, "find_confinement", lambda: confinement)
    monkeypatch.setattr(run, "find_confinement", lambda: confinement)
    return ToolContext(workspace, tmp_path / "data" / "notes.jsonl")


@pytest.fixture
def listeners(workspace: Workspace) -> Iterator[dict[str, object]]:
    """Sockets that would take a connection: TCP, a Unix socket in the workspace, an abstract one."""
    tcp = socket.create_server(("127.0.0.1", 0))
    local, abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    path = str(workspace.root / "s")
    name = f"umi-test-{os.getpid()}"
    local.bind(path)
    abstract.bind("\0" + name)
    local.listen()
    abstract.listen()
    yield {"port": tcp.getsockname()[1], "socket": path, "abstract": name}
    for made in (tcp, local, abstract):
        made.close()


def shell(
    workspace: Workspace, command: str, confinement: Confinement, limits: Limits | None = None
) -> Outcome:
    argv = ["/bin/sh", "-c", command]
    return run_confined(argv, view_of(workspace), limits=limits, confinement=confinement)


def is_running(mark: str) -> bool:
    """Return whether a process has `mark` among its arguments, and still does after a while."""
    deadline = time.monotonic() + 10  # what was killed takes a moment to end
    while _has_argument(mark):
        if time.monotonic() > deadline:
            return True
        time.sleep(0.02)
    return False


def _has_argument(mark: str) -> bool:
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if mark.encode() in Path("/proc", name, "cmdline").read_bytes().split(b"\0"):
                return True
        except OSError:
            continue
    return False


def test_code_cannot_reach_what_is_not_shown(
    workspace: Workspace,
    tmp_path: Path,
    confinement: Confinement,
    listeners: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
):
    outside = tmp_path / "outside.txt"
    outside.write_text("secret")
    (workspace.root / "way-out").symlink_to(outside)
    monkeypatch.setenv("SECRET_TOKEN", "x")
    root = workspace.root
    hidden = [root / ".env", root / "sub" / ".ssh" / "id_ed25519"]
    unreadable = [*hidden, outside, root / "way-out", "/etc/shadow", Path.home() / ".bashrc"]
    unwritable = [*hidden, root / "a.txt", "/etc/passwd", "/usr/bin/env", sys.executable, "/new"]
    if confinement.kind == "Landlock":  # bubblewrap has a /tmp and processes of its own
        unreadable += ["/proc/1/environ", f"/proc/{os.getpid()}/environ"]
        unwritable += [outside, root / "way-out"]
    job = {
        "unreadable": list(map(str, unreadable)),
        "unwritable": list(map(str, unwritable)),
        "pid": os.getpid(),
        "expected": [0, 1, 2],
        **listeners,
    }
    code = ESCAPES.replace("JOB", repr(json.dumps(job)))
    before = {path: path.lstat() for path in (*hidden, outside, root / "a.txt")}
    outcome = run_confined(PYTHON, view_of(workspace), code=code, confinement=confinement)
    assert outcome.exit_code == 0, outcome
    assert json.loads(outcome.output) == [], outcome.output.decode()
    for path, status in before.items():
        now = path.lstat()
        assert (now.st_mode, now.st_mtime_ns, now.st_size) == (
            status.st_mode,
            status.st_mtime_ns,
            status.st_size,
        )


def test_code_reads_the_workspace_and_writes_in_its_own_folder(
    workspace: Workspace, confinement: Confinement
):
    command = "cat a.txt sub/b.txt; pwd; echo x > $TMPDIR/x && cat $TMPDIR/x; cd sub; ls"
    outcome = shell(workspace, command, confinement)
    assert outcome.output.decode().split() == ["hello", "there", str(workspace.root), "x", "b.txt"]
    assert shell(workspace, "test -e $TMPDIR/x", confinement) == Outcome(b"", 1)


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user")
def test_code_that_root_runs_is_not_root(workspace: Workspace, confinement: Confinement):
    if confinement.kind != "Landlock":
        pytest.skip("bubblewrap's root has no capabilities")
    (workspace.root / "a.txt").chmod(0o600)
    outcome = shell(workspace, "id -u; cat a.txt; echo > $TMPDIR/x && echo made", confinement)
    user, *rest = outcome.output.decode().split()
    assert int(user) >= 2_000_000_000
    assert rest == ["hello", "made"]


@pytest.mark.parametrize("bomb", FORK_BOMBS)
def test_a_fork_bomb_is_ended(workspace: Workspace, confinement: Confinement, bomb: str):
    mark = f"31.{os.getpid()}"
    outcome = shell(workspace, bomb.replace("sleep 30", f"sleep {mark}"), confinement, Limits(tasks=30))
    # The kernel's limit may end it first, or its time, where other programs leave few processes.
    assert b"Cannot fork" in outcome.output or outcome.stopped in (
        "it ran more than 30 processes and threads at once",
        "it took longer than 20 seconds",
    )
    assert not is_running(mark)


def test_what_takes_too_much_is_ended(workspace: Workspace, confinement: Confinement):
    flood = shell(workspace, "yes", confinement)
    assert flood.stopped == "it printed more than 1024 KiB"
    assert len(flood.output) == MIB
    late = shell(workspace, "sleep 32.5", confinement, Limits(time_s=0.8))
    assert late.stopped == "it took longer than 0.8 seconds"
    assert not is_running("32.5")
    large = "data = b'x' * 10**9"
    memory = run_confined(
        PYTHON, view_of(workspace), code=large, limits=Limits(memory_bytes=200 * MIB), confinement=confinement
    )
    assert b"MemoryError" in memory.output or memory.stopped == "it took more than 200 MiB of memory"
    files = shell(
        workspace,
        "cd $TMPDIR; while head -c 900000 /dev/zero > $$.$((i += 1)); do sleep 0.01; done",
        confinement,
        Limits(folder_bytes=4 * MIB),
    )
    assert "No space left" in files.output.decode() or files.stopped.startswith("it wrote more than 4 MiB")
    one = shell(workspace, "head -c 3000000 /dev/zero > $TMPDIR/x", confinement, Limits(file_bytes=MIB))
    assert one.exit_code != 0


def test_memory_of_all_processes_counts_together(workspace: Workspace, confinement: Confinement):
    code = "import os, time\nfor _ in range(3):\n    os.fork()\ndata = b'x' * 30_000_000\ntime.sleep(30)"
    outcome = run_confined(
        PYTHON, view_of(workspace), code=code, limits=Limits(memory_bytes=200 * MIB), confinement=confinement
    )
    assert outcome.stopped == "it took more than 200 MiB of memory"


def test_nothing_goes_on_after_the_end(workspace: Workspace, confinement: Confinement):
    mark = f"33.{os.getpid()}"
    command = f"(trap '' TERM HUP; sleep {mark} & ) ; setsid sleep {mark} & nohup sleep {mark} & echo done"
    outcome = shell(workspace, command, confinement)
    assert b"done" in outcome.output
    assert outcome.exit_code == 0
    assert not is_running(mark)


def test_a_cancel_ends_the_code(workspace: Workspace, confinement: Confinement):
    mark = f"34.{os.getpid()}"
    begun: list[float] = []

    def cancelled() -> bool:
        begun.append(time.monotonic())
        return len(begun) > 3

    with pytest.raises(CallEndedError, match="cancelled"):
        run_limited(lambda: str(shell(workspace, f"sleep {mark}", confinement)), 60, cancelled)
    assert not is_running(mark)


def test_the_observation_says_how_it_went(context: ToolContext):
    assert report.run_and_report(context, PYTHON, code="print(2**10)") == "1024"
    assert report.run_and_report(context, PYTHON, code="") == "it printed nothing"
    with pytest.raises(ToolError, match=r"exit code 1; it printed:\n(.|\n)*ZeroDivisionError"):
        report.run_and_report(context, PYTHON, code="1/0")
    with pytest.raises(ToolError, match="exit code 137"):
        report.run_and_report(context, PYTHON, code="import os; os.kill(os.getpid(), 9)")
    with pytest.raises(ToolError, match="private key"):
        report.run_and_report(context, ["/bin/sh", "-c", "echo -----BEGIN 'PRIVATE KEY-----'"])
    odd = report.run_and_report(context, ["/bin/sh", "-c", r"printf 'a\033[2Jb\377\n'"])
    assert odd == "a[2Jb�"
    assert "no network" in report.effect_of_run(context)
    assert "changes nothing" in report.effect_of_run(context)


def test_code_that_may_write_changes_a_copy_that_is_written_back(context: ToolContext, tmp_path: Path):
    root = context.workspace.root
    allowed = replace(context, code_writes=True)
    assert "changes files" in report.effect_of_run(allowed)
    command = (
        "echo new > a.txt; mkdir -p made .git; echo x > made/c.txt; echo x > .git/config; rm sub/b.txt;"
        f"ln -s {tmp_path}/target link; echo x > link; ls -A sub; cat .env"
    )
    text = report.run_and_report(allowed, ["/bin/sh", "-c", f"{command}; true"])
    assert "(wrote 2 files: a.txt, made/c.txt)" in text
    assert "(not written: writing .git/config is refused" in text
    assert "secret" not in text
    assert ".ssh" not in text
    assert (root / "a.txt").read_text() == "new\n"
    assert (root / "sub" / "b.txt").exists()
    assert not (root / ".git").exists()
    assert not (root / "link").exists()
    assert not (tmp_path / "target").exists()
    kept = UndoStore(tmp_path / "undo").writes()
    assert sorted(write.path for write in kept) == ["a.txt", "made/c.txt"]
    with pytest.raises(ToolError, match="exit code 1"):
        report.run_and_report(allowed, ["/bin/sh", "-c", "echo again > a.txt; exit 1"])
    assert (root / "a.txt").read_text() == "new\n"
    with pytest.raises(ToolError, match="more than 100 files"):
        report.run_and_report(allowed, ["/bin/sh", "-c", "for i in $(seq 101); do echo $i > f$i; done"])
    assert not (root / "f1").exists()


def test_a_workspace_that_cannot_be_looked_through_runs_no_code(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("agent.tools.sandbox.view.MAX_ENTRIES", 3)
    with pytest.raises(ToolError, match="more than 3 files and folders"):
        view_of(workspace)
    with pytest.raises(ToolError, match="folder /"):
        view_of(Workspace(Path("/")))


def test_without_a_way_to_confine_nothing_is_run(workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bubblewrap, "bubblewrap_problem", lambda: "no bubblewrap")
    monkeypatch.setattr(landlock, "landlock_problem", lambda: "no Landlock")
    find_confinement.cache_clear()
    try:
        assert find_confinement() == Confinement("none", "no bubblewrap; no Landlock")
        with pytest.raises(ToolError, match="no bubblewrap; no Landlock"):
            run_confined(["/bin/true"], View(workspace.root))
        monkeypatch.setattr(bubblewrap, "bubblewrap_problem", str)
        monkeypatch.setattr(bubblewrap, "find_bubblewrap", lambda: "/bin/false")
        find_confinement.cache_clear()
        assert "bubblewrap does not work here" in find_confinement().problem
    finally:
        find_confinement.cache_clear()


def test_the_filter_is_made_for_both_processors():
    for machine in ("x86_64", "aarch64"):
        plain, strict = (filter_program(landlock=strict, machine=machine) for strict in (False, True))
        assert len(plain) % 8 == len(strict) % 8 == 0
        assert len(plain) < len(strict) < 8 * 4096  # the kernel takes at most 4096 steps
