"""`umi ask --record`: a conversation becomes a row of training data, or is left out."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from fakes import calculation, call, engine_of, plan, scripted
from fakes import run_train as train

import tui.cli.ask
from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
    Row,
    SummarizerTurn,
    ToolTurn,
    Transcript,
    UserTurn,
)
from agent.transcript.rows import read_rows
from tui.cli.main import main
from tui.setup import LoadedAgent


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Let `umi ask` open a scripted agent; returns a function that sets the script."""

    def set_script(script: Sequence[str], **options: object) -> LoadedAgent:
        opened = scripted(script, tmp_path, **options)  # pyright: ignore[reportArgumentType]
        monkeypatch.setattr(tui.cli.ask, "open_agent", lambda options: opened)
        return opened

    return set_script


def recorded(file: Path) -> list[Row]:
    """The rows of a file that must be valid."""
    assert train(["data", "check", str(file)]) == 0
    return list(read_rows(file))


def test_a_recorded_conversation_is_a_valid_row(
    models, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "talks.jsonl"
    outputs = []
    for option in ([], ["--record", str(file)]):
        opened = models(calculation("It is 42."))
        assert main(["ask", "--json", *option, "  what is 17.5% of 240?"]) == 0
        outputs.append(re.sub(r'"(read|write)_seconds":[^,}]*', "", capsys.readouterr().out))
    assert outputs[0] == outputs[1]
    models([plan("No tool here can send mail.", "give up")])
    assert main(["ask", "send a mail", "--record", str(file)]) == 3
    first, second = recorded(file)
    assert (first.source, first.split) == ("recorded", "train")
    assert first.id != second.id
    assert first.transcript == Transcript(
        opened.agent.toolbox.specs,
        (
            UserTurn("what is 17.5% of 240?"),
            PlannerTurn("I need to calculate this.", "caller"),
            CallerTurn((Call("calculate", {"expression": "17.5/100*240"}),)),
            ToolTurn("calculate", "42"),
            PlannerTurn("I know the result.", "summarizer"),
            SummarizerTurn("It is 42."),
        ),
    )
    assert second.transcript.turns[1:] == (PlannerTurn("No tool here can send mail.", "give up"),)


def test_several_calls_and_errors_are_recorded_in_their_steps(models, tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "a.txt").write_text("hello")
    calls = [call("read_file", path="a.txt"), call("read_file", path="b.txt")]
    script = [plan("Read both.", "caller"), "\n".join(calls), plan("", "caller"), call("list_files")]
    opened = models([*script, plan("", "summarizer"), "Done."])
    assert main(["ask", "--record", str(tmp_path / "talks.jsonl"), "read them"]) == 0
    (row,) = recorded(tmp_path / "talks.jsonl")
    # What the summarizer was shown, and its answer.
    assert row.transcript == engine_of(opened).seen[-1][1].plus(SummarizerTurn("Done."))
    assert [turn.error for turn in row.transcript.turns if isinstance(turn, ToolTurn)] == [False, True, False]


def test_what_was_cut_to_make_room_is_recorded_whole(models, tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    long = ("word " * 600).strip()
    (tmp_path / "workspace" / "a.txt").write_text(long)
    script = [plan("", "caller"), call("read_file", path="a.txt"), plan("", "summarizer"), "Done."]
    opened = models(script, context_length=600)
    assert main(["ask", "--record", str(tmp_path / "talks.jsonl"), "read it"]) == 0
    assert long not in str(engine_of(opened).seen[-1][1])
    (row,) = recorded(tmp_path / "talks.jsonl")
    assert long in str(row.transcript)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (["no ending at all"], 1),
        ([plan("One.", "caller"), call("list_files"), plan("Two.", "caller")], 4),
    ],
)
def test_what_was_not_answered_is_not_recorded(models, tmp_path: Path, script: list[str], code: int) -> None:
    models(script, max_steps=1)
    assert main(["ask", "--record", str(tmp_path / "talks.jsonl"), "hello"]) == code
    assert not (tmp_path / "talks.jsonl").exists()


def test_a_cancelled_turn_is_not_recorded(models, tmp_path: Path) -> None:
    models(calculation(), on_generate=lambda role: signal.raise_signal(signal.SIGINT))
    assert main(["ask", "--record", str(tmp_path / "talks.jsonl"), "hello"]) == 130
    assert not (tmp_path / "talks.jsonl").exists()


def test_an_unwritable_record_is_reported_before_any_work(
    models, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("buy milk\n")
    opened = models(calculation())
    for name, message in (
        ("no/such/talks.jsonl", "is not a folder"),
        ("workspace", "is not a file"),
        ("notes.txt", "line 1 is not JSON"),
    ):
        assert main(["ask", "--record", str(tmp_path / name), "hello"]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert len(err.splitlines()) == 1
        assert message in err
    assert engine_of(opened).seen == []
    assert (tmp_path / "notes.txt").read_text() == "buy milk\n"


def test_an_answer_is_printed_even_if_it_cannot_be_recorded(
    models, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "talks" / "talks.jsonl"
    file.parent.mkdir()
    models(calculation("It is 42."), on_generate=lambda role: role == "summarizer" and file.mkdir())
    assert main(["ask", "--record", str(file), "what is 17.5% of 240?"]) == 2
    out, err = capsys.readouterr()
    assert out == "It is 42.\n"
    assert err.splitlines()[-1] == f"umi: {file} cannot be written: Is a directory; name another file"
