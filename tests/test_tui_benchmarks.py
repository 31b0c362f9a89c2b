"""`umi eval bfcl`, `toolalpaca` and `paper`: tables and JSON, several models, Ctrl-C, bad input."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from benchmark_files import write_rows, write_simple, write_toolalpaca
from chat_templates import CHATML
from fakes import call, plan
from tiny_gguf import write_tiny_gguf

import tui.evaluation.benchmarks as command
from agent.bundle import Bundle
from agent.bundle.assemble import assemble
from agent.engine import ScriptedEngine
from agent.errors import EngineError
from tui.cli.main import main

CALLS = plan("I use a tool.", "caller")
GIVES_UP = plan("No tool can do that.", "give up")
RIGHT = (CALLS, call("kettle.boil", litres=1))

Serve = Callable[..., None]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """A function that puts scripted models, by name, in the place of bundles."""

    def serve(interrupt_at: int = 0, **scripts: list[str]) -> None:
        def open_engine(bundle: Any, **_: Any) -> ScriptedEngine:
            def on_generate(_role: object) -> None:
                if len(engine.seen) + 1 == interrupt_at:
                    os.kill(os.getpid(), signal.SIGINT)

            engine = ScriptedEngine(scripts[bundle.name], on_generate=on_generate)
            return engine

        monkeypatch.setattr(command, "open_models", lambda name: SimpleNamespace(name=name or "mine"))
        monkeypatch.setattr(command, "open_engine", open_engine)

    return serve


def test_a_table_has_a_column_for_each_model_and_baseline(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(good=[*RIGHT, CALLS, call("kettle.boil", litres=2.0)], poor=[GIVES_UP, CALLS, call("timer.set")])
    assert main(["eval", "bfcl", str(write_simple(tmp_path)), "--models", "good", "--models", "poor"]) == 0
    out, err = capsys.readouterr()
    head, row, *notes = out.splitlines()
    assert head.split() == ["n", "good", "poor", "first", "tool", "no", "call"]
    assert row.split() == ["simple_python", "2", "100.0", "(100.0-100.0)", "0.0", "(0.0-0.0)", "0.0", "0.0"]
    assert notes[-2:] == ["good, 2 cases", "poor, 2 cases, wrong: 1 no call, 1 another tool"]
    assert err == ""


def test_figures_as_json(serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    serve(mine=[*RIGHT, GIVES_UP, *RIGHT, *RIGHT])
    assert main(["eval", "bfcl", str(write_simple(tmp_path, 4)), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["benchmark"], result["cases"], result["stopped"]) == ("bfcl", 4, False)
    figure = result["models"]["mine"]["figures"]["simple_python"]
    assert (figure["value"], figure["points"], figure["of"]) == (0.25, 1, 4)
    assert 0 <= figure["low"] < 0.25 < figure["high"] <= 1
    assert result["models"]["mine"]["wrong"]["simple_2"] == "no call"
    assert result["baselines"]["no call"]["figures"]["simple_python"]["value"] == 0


def test_progress_of_a_long_run_is_on_stderr(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(mine=[GIVES_UP] * 120)
    assert main(["eval", "bfcl", str(write_simple(tmp_path, 200)), "--limit", "120"]) == 0
    assert capsys.readouterr().err == "mine: 50 of 120, 0 right\nmine: 100 of 120, 0 right\n"


def test_after_an_interrupt_what_was_measured_is_printed(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The third generation is the planner's of the second question.
    serve(interrupt_at=3, mine=[*RIGHT, *RIGHT], next=[])
    assert (
        main(["eval", "bfcl", str(write_simple(tmp_path, 4)), "--models", "mine", "--models", "next"]) == 130
    )
    out, err = capsys.readouterr()
    assert out.splitlines()[1].split()[:3] == ["simple_python", "1", "100.0"]
    assert out.splitlines()[-1] == "mine, only the first 1 cases"
    assert err == "mine: stopped after 1 of 4\n"


def test_before_a_failure_of_the_engine_what_was_measured_is_printed(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(mine=[*RIGHT, GIVES_UP])
    take = command.take_step

    def take_one(engine: ScriptedEngine, *arguments: Any) -> Any:
        if engine.seen:
            raise EngineError("llama.cpp gave out", "look at the memory")
        return take(engine, *arguments)

    monkeypatch.setattr(command, "take_step", take_one)
    assert main(["eval", "bfcl", str(write_simple(tmp_path, 4))]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "mine, only the first 1 cases"
    assert err == "umi: llama.cpp gave out; look at the memory\n"


def test_an_interrupt_before_the_first_answer_leaves_an_empty_table(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(interrupt_at=1, mine=[GIVES_UP])
    assert main(["eval", "bfcl", str(write_simple(tmp_path, 4))]) == 130
    assert "mine, only the first 0 cases" in capsys.readouterr().out


def test_the_output_names_how_toolalpaca_is_judged(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(mine=[GIVES_UP] * 3)
    assert main(["eval", "toolalpaca", str(write_toolalpaca(tmp_path))]) == 0
    out = capsys.readouterr().out
    assert "the published judge is a large language model" in out
    assert "left out: 1 no answer" in out
    assert main(["eval", "toolalpaca", "--help"]) == 0
    assert "exact names and arguments" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "thing"),
    [
        (["bfcl", "nowhere"], "nowhere does not exist"),
        (["bfcl", "empty"], "empty holds no data file"),
        (["bfcl", "rows.json"], "rows.json: no questions of BFCL there"),
        (["toolalpaca", "BFCL_v4_simple_python.json"], "no questions of ToolAlpaca's evaluation there"),
        (["paper", "BFCL_v4_simple_python.json"], "line 1: schema is None, not 1"),
        (["paper", "nowhere"], "nowhere does not exist"),
        (["bfcl", "BFCL_v4_simple_python.json", "--models", "no-such"], "no-such"),
        (["bfcl", "BFCL_v4_simple_python.json", "--limit", "0"], "--limit"),
        (["bfcl"], "missing argument"),
    ],
)
def test_bad_input_is_one_line(
    argv: list[str],
    thing: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_simple(tmp_path)
    write_rows(tmp_path / "rows.json")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["eval", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert thing in err


def test_all_models_are_looked_up_before_any_is_measured(
    tiny_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = ["--models", str(tiny_bundle.folder), "--models", "no-such"]
    assert main(["eval", "bfcl", str(write_simple(tmp_path, 1000)), *models]) == 2
    assert "no-such" in capsys.readouterr().err


@pytest.mark.parametrize("layout", ["merged", "stock"])
def test_every_layout_takes_the_steps(
    layout: str, tiny_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_bundle.folder
    if layout == "stock":
        stock = write_tiny_gguf(tmp_path / "stock.gguf", seed=9, chat_template=CHATML)
        folder = assemble(tmp_path / "stock", {}, backbone=stock, dialect="chat").folder
    assert main(["eval", "bfcl", str(write_simple(tmp_path, 1)), "--models", str(folder), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)["models"][str(folder)]
    assert (result["cases"], result["figures"]["simple_python"]["of"]) == (1, 1)
