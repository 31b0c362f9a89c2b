"""What the person who trains sees: our lines and errors, no library's warning."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from fakes import run_train as main
from lock import ROOT
from tiny_base import make_base, tiny_rows

import train.loop.pipeline
from train.data.rows import write_rows
from train.library_warnings import library_warnings_logged

LIBRARIES = ("accelerate", "bitsandbytes", "huggingface_hub", "peft", "torch", "torch.nn", "transformers")
PROGRAM = f"""
import logging, sys, warnings
import tui.cli.terminal.progress

def noisy_say(line):
    plain_say(line)
    for name in {LIBRARIES}:
        logging.getLogger(name).warning("a message of %s", name)
        warnings.warn_explicit(f"a warning of {{name}}", UserWarning, "file.py", 1, name)
        warnings.warn_explicit(f"{{name}} will change", FutureWarning, "file.py", 1, name)
    warnings.warn("of a library that names its caller's line", UserWarning)

plain_say, tui.cli.terminal.progress.say = tui.cli.terminal.progress.say, noisy_say
from tui.cli.main import main

sys.exit(main(sys.argv[1:]))
"""
"""Training in which libraries warn at every line of progress."""
OURS = re.compile(r"(backbone: |finished: |\d+ of \d+ held-out rows are trained on too).*")


def test_only_our_lines_are_printed(tmp_path: Path) -> None:
    make_base(tmp_path / "base")
    write_rows(tmp_path / "data.jsonl", [*tiny_rows(8), *tiny_rows(4, "valid")])
    recipe = tmp_path / "r.toml"
    recipe.write_text(f'base = "{tmp_path}/base"\ndata = ["{tmp_path}/data.jsonl"]\nout = "{tmp_path}/run"\n')
    short = ["backbone.max_steps=1", "evaluations=1", "evaluation_turns=1", "lora.rank=2", "device=cpu"]
    log = tmp_path / "umi.log"
    own = ("WARNINGS", "VERBOSITY", "TORCH_", "HF_")
    environment = {name: value for name, value in os.environ.items() if not any(part in name for part in own)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "train", "run", str(recipe), "--only", "backbone", *short],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(ROOT), "UMI_LOG": str(log)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path}/run\n"
    assert [line for line in done.stderr.splitlines() if not OURS.fullmatch(line)] == []
    logged = log.read_text()
    for name in LIBRARIES:
        assert f"a warning of {name}" in logged


def test_errors_and_filters_of_warnings_stay_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> Path:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    (tmp_path / "r.toml").write_text('base = "b"\ndata = ["d"]\nout = "o"\n')
    monkeypatch.setattr(train.loop.pipeline, "train", fail)
    assert main(["run", str(tmp_path / "r.toml")]) == 1
    assert "CUDA error: an illegal memory access" in capsys.readouterr().err
    with library_warnings_logged(), warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="ours"):
            warnings.warn("ours", UserWarning, stacklevel=1)


def test_after_training_warnings_are_shown_again(caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with library_warnings_logged():
            warnings.warn("within", UserWarning, stacklevel=1)
        warnings.warn("after", UserWarning, stacklevel=1)
    assert [str(warning.message) for warning in shown] == ["after"]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
