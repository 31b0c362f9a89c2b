"""`umi eval tasks` on scripted models: table, JSON, two bundles, Ctrl-C, plot, and what is not shown."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from fakes import call, plan

import tui.evaluation.exam
from agent.engine import ScriptedEngine
from agent.evaluation.exam.schema import Exchange, Half, Task, World
from tui.cli.main import main
from tui.evaluation.exam_table import bar

PRODUCT = Exchange("17*24?", solution=({"calculate": {"expression": "17*24"}},), says=("408",))
CALLED = [
    plan("I calculate.", "caller"),
    call("calculate", expression="17*24"),
    plan("I know.", "summarizer"),
]
RIGHT, WRONG = [*CALLED, "It is 408."], [*CALLED, "It is 409."]
HELLO = [plan("No tool.", "summarizer"), "Hello!"]


def exam(half: Half) -> list[Task]:
    return [
        Task(f"{half}-sums-1", "sums", half, World(), (PRODUCT,)),
        Task(f"{half}-talk-1", "talk", half, World(), (Exchange("hello, exam"),)),
        Task(f"{half}-again-1", "again", half, World(), (PRODUCT, Exchange("thanks"))),
    ]


@pytest.fixture
def bundles(monkeypatch: pytest.MonkeyPatch):
    """Put a short exam and scripted bundles in place; returns the engines that were opened."""
    engines: list[ScriptedEngine] = []

    def set_up(scripts: dict[str, Sequence[str]], **options: object) -> list[ScriptedEngine]:
        def open_engine(bundle: SimpleNamespace) -> ScriptedEngine:
            engines.append(ScriptedEngine(scripts[bundle.name], **options))  # pyright: ignore[reportArgumentType]
            return engines[-1]

        monkeypatch.setattr(
            tui.evaluation.exam, "read_exam", lambda halves: [one for half in halves for one in exam(half)]
        )
        monkeypatch.setattr(
            tui.evaluation.exam, "open_models", lambda name: SimpleNamespace(name=name or "default")
        )
        monkeypatch.setattr(tui.evaluation.exam, "open_engine", open_engine)
        return engines

    return set_up


GOOD = [*RIGHT, *HELLO, *RIGHT, *HELLO]
POOR = [*WRONG, *HELLO, *RIGHT, *HELLO]


def test_the_table_has_a_line_a_category_and_the_totals(bundles, capsys: pytest.CaptureFixture[str]) -> None:
    engines = bundles({"default": POOR})
    assert main(["eval", "tasks"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line[:30].strip(): line[30:].split() for line in lines if line[30:].split()[:1] != []}
    assert rows["sums"][:3] == ["1", "0.0", "0.0-0.0"]
    assert rows["talk"][:3] == ["1", "100.0", "100.0-100.0"]
    assert rows["again"][:2] == ["1", "100.0"]
    assert rows["tasks, whole question right"][:2] == ["2", "50.0"]
    assert rows["dialogues, every turn right"][:2] == ["1", "100.0"]
    assert rows["turns of dialogues right"][:2] == ["2", "100.0"]
    assert any(line.startswith("development-sums-1: '17*24?' -> 'It is 409.'") for line in lines)
    assert engines[0].closed


def test_failures_of_the_test_half_are_counted_and_not_shown(
    bundles, capsys: pytest.CaptureFixture[str]
) -> None:
    bundles({"default": POOR})
    assert main(["eval", "tasks", "--half", "test"]) == 0
    out = capsys.readouterr().out
    assert "1 wrong in the test half, which are not shown" in out
    assert "409" not in out
    assert "17*24" not in out


def test_two_bundles_are_compared_task_by_task(bundles, capsys: pytest.CaptureFixture[str]) -> None:
    bundles({"a": POOR, "b": GOOD})
    assert main(["eval", "tasks", "--models", "a", "--models", "b"]) == 0
    out = capsys.readouterr().out
    assert "b against a, 3 tasks: +33.3 points" in out
    assert "1 won, 0 lost" in out
    assert "  won: development-sums-1" in out


def test_json_holds_the_figures_and_every_task(bundles, capsys: pytest.CaptureFixture[str]) -> None:
    bundles({"a": POOR, "b": GOOD})
    assert main(["eval", "tasks", "--models", "a", "--models", "b", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["models"]["a"]["tasks"]["right"] == 1
    assert [one["right"] for one in value["models"]["a"]["results"]] == [False, True, True]
    assert value["models"]["a"]["results"][0]["turns"][0]["answer"] == "It is 409."
    assert value["comparisons"][0]["wins"] == ["development-sums-1"]
    assert value["baselines"]["gives up"]["tasks"]["right"] == 0


def test_a_category_can_be_chosen(bundles, capsys: pytest.CaptureFixture[str]) -> None:
    bundles({"default": HELLO})
    assert main(["eval", "tasks", "--category", "talk"]) == 0
    assert "sums" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "what", "hint"),
    [
        (["--category", "tlak"], "'tlak'", "choose among again, sums, talk"),
        (["--half", "most"], "'most'", "choose one of dev, test, both"),
    ],
)
def test_what_is_not_there_is_named(
    bundles, capsys: pytest.CaptureFixture[str], argv: list[str], what: str, hint: str
) -> None:
    bundles({"default": GOOD})
    assert main(["eval", "tasks", *argv]) == 2
    err = capsys.readouterr().err
    assert what in err
    assert hint in err


def test_ctrl_c_prints_what_was_measured(bundles, capsys: pytest.CaptureFixture[str]) -> None:
    generations = 0

    def interrupt(role: str) -> None:
        nonlocal generations
        generations += 1
        if generations == 5:
            os.kill(os.getpid(), signal.SIGINT)

    engines = bundles({"a": GOOD, "b": GOOD}, on_generate=interrupt)
    assert main(["eval", "tasks", "--models", "a", "--models", "b"]) == 130
    out = capsys.readouterr().out
    assert "sums" in out
    assert "again" not in out
    assert len(engines) == 1
    assert engines[0].closed


def test_ctrl_c_before_the_first_task_prints_no_figures(bundles, capsys: pytest.CaptureFixture[str]) -> None:
    bundles({"default": GOOD}, on_generate=lambda role: os.kill(os.getpid(), signal.SIGINT))
    assert main(["eval", "tasks"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_the_figures_are_drawn(bundles, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    bundles({"a": POOR, "b": GOOD})
    picture = tmp_path / "exam.png"
    assert main(["eval", "tasks", "--models", "a", "--models", "b", "--plot", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_picture_that_cannot_be_written_is_named(
    bundles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    bundles({"default": GOOD})
    assert main(["eval", "tasks", "--plot", str(tmp_path / "no" / "x.png")]) == 1
    assert "no/x.png cannot be written" in capsys.readouterr().err


def test_without_matplotlib_one_line_says_so(
    bundles, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundles({"default": GOOD})
    monkeypatch.delitem(sys.modules, "tui.evaluation.exam_plot", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    assert main(["eval", "tasks", "--plot", str(tmp_path / "x.png")]) == 0
    assert "matplotlib is not installed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0, "    "), (0.5, "██  "), (1.0, "████"), (0.4, "█▋  "), (0.99, "████")]
)
def test_a_bar_is_as_long_as_the_share(value: float, shown: str) -> None:
    assert bar(value, 4) == shown
