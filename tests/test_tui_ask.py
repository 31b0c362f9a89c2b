"""`umi ask` on scripted models: what goes where, exit codes, approval, cancelling, piped input, recording."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from fakes import calculation, call, engine_of, plan, scripted

import tui.cli.ask
from agent.transcript import (
    UserTurn,
)
from tui.cli.main import main
from tui.setup import LoadedAgent

ROOT = Path(__file__).parent.parent


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Let `umi ask` open a scripted agent; returns a function that sets the script."""

    def set_script(script: Sequence[str], **options: object) -> LoadedAgent:
        opened = scripted(script, tmp_path, **options)  # pyright: ignore[reportArgumentType]
        monkeypatch.setattr(tui.cli.ask, "open_agent", lambda options: opened)
        return opened

    return set_script


class Terminal(io.StringIO):
    """A stream at which a person sits."""

    def isatty(self) -> bool:
        return True


def test_the_answer_goes_to_stdout_and_the_steps_to_stderr(
    models, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = models(calculation("It is 42."))
    assert main(["ask", "what", "is", "17.5%", "of", "240?"]) == 0
    out, err = capsys.readouterr()
    assert out == "It is 42.\n"
    assert err.splitlines() == [
        "· I need to calculate this. → caller",
        '  calculate  expression="17.5/100*240"',
        "  = 42",
        "· I know the result. → summarizer",
    ]
    assert engine_of(opened).seen[0][1].turns == (UserTurn("what is 17.5% of 240?"),)
    assert engine_of(opened).closed


def test_json_is_an_event_a_line_and_nothing_else(models, capsys: pytest.CaptureFixture[str]) -> None:
    models(calculation("It is 42."))
    assert main(["ask", "--json", "what is 17.5% of 240?"]) == 0
    out, err = capsys.readouterr()
    events = [json.loads(line) for line in out.splitlines()]
    kinds = [event["event"] for event in events if event["event"] not in ("reading", "answer")]
    assert kinds == ["thought", "call", "observation", "thought", "finished"]
    assert "".join(event["text"] for event in events if event["event"] == "answer") == "It is 42."
    assert events[-1]["reason"] == "answered"
    assert events[-1]["answer"] == "It is 42."
    assert events[-1]["stats"]["planner"]["generated"] > 0
    assert err == ""


NOTE = "This answer is not supported: 43 stands nowhere in what was said.\ncalculate says: 42"


def test_what_nothing_supports_is_told_under_the_answer(models, capsys: pytest.CaptureFixture[str]) -> None:
    for options in ([], ["--quiet"]):
        models(calculation("It is 43."))
        assert main(["ask", *options, "what is 17.5% of 240?"]) == 0
        assert capsys.readouterr().out == f"It is 43.\n\n{NOTE}\n"
    models(calculation("It is 43."))
    assert main(["ask", "--json", "--final", "what is 17.5% of 240?"]) == 0
    last = json.loads(capsys.readouterr().out)
    assert (last["answer"], last["unsupported"]) == ("It is 43.", NOTE)


def test_giving_up_prints_the_thought_and_exits_3(models, capsys: pytest.CaptureFixture[str]) -> None:
    models([plan("No tool here can send mail.", "give up")])
    assert main(["ask", "send a mail"]) == 3
    assert capsys.readouterr().out == "No tool here can send mail.\n"


def test_the_step_limit_is_named_and_exits_4(models, capsys: pytest.CaptureFixture[str]) -> None:
    script = [plan("One.", "caller"), call("list_files"), plan("Two.", "caller")]
    models(script, max_steps=1)
    assert main(["ask", "list"]) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == "umi: no answer after 1 steps; raise --max-steps or ask for less"


def test_a_fault_in_the_turn_is_one_line_and_exits_1(models, capsys: pytest.CaptureFixture[str]) -> None:
    models(["no ending at all"])
    assert main(["ask", "hello"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("umi: the planner ended with 'no ending at all'")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_end_the_turn_with_130(
    models, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(role: str) -> None:
        if role == "caller":
            signal.raise_signal(number)

    before = signal.getsignal(number)
    opened = models(calculation(), on_generate=interrupt)
    assert main(["ask", "what is 17.5% of 240?"]) == 130
    assert capsys.readouterr().out == ""
    assert engine_of(opened).closed
    assert signal.getsignal(number) is before


def test_a_question_longer_than_the_context_exits_2(models, capsys: pytest.CaptureFixture[str]) -> None:
    opened = models(calculation(), context_length=900)
    assert main(["ask", "word " * 1000]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "the models hold 900" in err
    assert engine_of(opened).seen == [], "something was generated"


WRITING = [
    plan("I need to write it.", "caller"),
    call("write_file", path="plan.txt", content="buy milk\n"),
    plan("", "summarizer"),
    "All right.",
]


@pytest.mark.parametrize(("options", "written"), [([], False), (["--yes"], True)])
def test_without_a_person_only_yes_lets_a_tool_write(
    models, capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str], written: bool
) -> None:
    models(WRITING)
    assert main(["ask", "write a plan", *options]) == (0 if written else 5)
    assert ("nobody is there" in capsys.readouterr().err) is not written
    assert (tmp_path / "workspace" / "plan.txt").exists() is written


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_what_is_said_of_a_failure_is_no_answer(
    models, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO]
) -> None:
    models([plan("", "caller"), call("read_file", path="b.txt"), plan("", "summarizer"), "It is empty."])
    monkeypatch.setattr(sys, "stdout", stream())
    assert main(["ask", "what is in b.txt?"]) == 5
    assert isinstance(sys.stdout, io.StringIO)
    assert sys.stdout.getvalue() == ""
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "umi: failed: read_file: no such file: b.txt",
        "It is empty.",
    ]


@pytest.mark.parametrize(
    ("words", "piped", "question"),
    [
        (["what is this?"], b"line 1\nline 2\n", "what is this?\n\nline 1\nline 2"),
        ([], b"what is 2+2?\n", "what is 2+2?"),
        (["hello"], b"", "hello"),
        (["odd bytes"], b"\xff\xfe", "odd bytes\n\n\ufffd\ufffd"),
    ],
)
def test_piped_input_joins_the_question(
    models, monkeypatch: pytest.MonkeyPatch, words: list[str], piped: bytes, question: str
) -> None:
    reading, writing = os.pipe()
    os.write(writing, piped)
    os.close(writing)
    opened = models([plan("", "summarizer"), "Hello."])
    with os.fdopen(reading) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert main(["ask", *words]) == 0
    assert engine_of(opened).seen[0][1].turns == (UserTurn(question),)


def test_too_much_piped_input_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "big").write_bytes(b"x" * 4_000_001)
    with (tmp_path / "big").open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert main(["ask", "what is this?"]) == 2
    assert "more than 4000000 bytes" in capsys.readouterr().err


def test_control_characters_are_escaped_on_a_terminal(
    models, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = [
        plan("I need \x1b[2J to look.", "caller"),
        call("list_files"),
        plan("", "summarizer"),
        "It says \x1b]0;title\x07.",
    ]
    models(script)
    (tmp_path / "workspace" / "\x1b[3J.txt").touch()
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert main(["ask", "what is there?"]) == 0
    assert out.getvalue().startswith("It says \\x1b]0;title\\x07.\n\nThis answer is not supported: 0 ")
    assert "\x1b" not in out.getvalue()
    assert "I need \\x1b[2J to look." in err.getvalue()
    # Erasing the line that tells of the reading is all that is sent to the terminal itself.
    assert "\x1b" not in err.getvalue().replace("\r\x1b[2K", "")


@pytest.mark.parametrize(
    ("settings", "dimmed"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_steps_are_dimmed_only_where_that_is_wanted(
    models, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], dimmed: bool
) -> None:
    models(calculation())
    err = Terminal()
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in ({"TERM": "xterm"} | settings).items():
        monkeypatch.setenv(name, value)
    assert main(["ask", "what is 17.5% of 240?"]) == 0
    assert ("\x1b[2m" in err.getvalue()) is dimmed


PROGRAM = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
import fakes, tui.cli.ask
from tui.cli.main import main
script = [fakes.plan("", "summarizer"), "word " * 50_000]
tui.cli.ask.open_agent = lambda options: fakes.scripted(script, Path(sys.argv[3]))
sys.exit(main(sys.argv[4:]))
"""


def start(folder: Path, *argv: str, stdin: int, stdout: int) -> subprocess.Popen[str]:
    """`umi` on scripted models in a process of its own."""
    paths = [str(ROOT), str(ROOT / "tests"), str(folder)]
    command = [sys.executable, "-W", "error", "-c", PROGRAM, *paths, *argv]
    return subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, text=True)


def test_a_closed_pipe_ends_the_command_quietly(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        process = start(tmp_path, "ask", "--json", "hi", stdin=subprocess.DEVNULL, stdout=writing)
    finally:
        os.close(writing)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 141


def test_an_inherited_socket_is_not_waited_for(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = start(tmp_path, "ask", "hi", stdin=theirs.fileno(), stdout=subprocess.PIPE)
        out, _ = process.communicate(timeout=60)
    assert out.startswith("word word")
    assert process.returncode == 0
