"""Child processes run our own code in a folder that holds modules with the names of our packages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.bundle import Bundle
from tui.cli.main import main

ROOT = Path(__file__).parent.parent


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder whose modules raise when they are imported."""
    folder = tmp_path / "foreign"
    (folder / "agent").mkdir(parents=True)
    for name in ("agent/__init__.py", "train.py", "export.py", "tui.py", "json.py", "llama_cpp.py"):
        (folder / name).write_text("raise SystemExit('the wrong module was imported')\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return folder


def umi(*argv: str) -> subprocess.CompletedProcess[str]:
    """`umi` as our own processes start it."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "tui", *argv],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=120,
    )


def test_training_data_is_made(foreign: Path) -> None:
    done = umi("train", "data", "make", "--count", "3", "--out", "rows.jsonl")
    assert (done.returncode, done.stderr) == (0, "rows.jsonl: 3 rows\n")


def test_export_is_imported(foreign: Path) -> None:
    done = umi("export", "verify", "none")
    assert done.returncode == 2
    assert done.stderr.startswith("umi: none does not exist"), done.stderr


def test_the_installed_command_is_found(foreign: Path) -> None:
    command = Path(sys.executable).with_name("umi")
    if not command.exists():
        pytest.skip("umi is not installed beside this Python")
    done = subprocess.run(
        [command, "train", "data", "make", "--count", "1", "--out", "rows.jsonl"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "rows.jsonl: 1 rows\n")


def test_a_worker_of_the_bench_runs(
    foreign: Path, tiny_bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["bench", "--models", str(tiny_bundle.folder), "--threads", "1", "--systems", "one_role"]
    assert main(argv) == 0
    assert "one role alone, MB in memory" in capsys.readouterr().out


def test_each_question_of_an_evaluation_is_asked_in_a_process(
    foreign: Path, tiny_bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "data", "make", "--count", "1", "--split", "test", "--out", "suite.jsonl"]) == 0
    assert main(["eval", "suite.jsonl", "--models", str(tiny_bundle.folder), "--through-ask"]) == 0
    assert "the wrong module was imported" not in capsys.readouterr().out
