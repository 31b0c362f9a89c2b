"""A wheel, installed into an empty environment with the locked versions, answers a question."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from lock import ROOT


@pytest.mark.wheel
def test_a_wheel_in_an_empty_environment_answers(tmp_path: Path) -> None:
    pip = ["-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run(
        [sys.executable, *pip, "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)], check=True
    )
    (wheel,) = tmp_path.glob("umi_agent-*.whl")
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    binaries = tmp_path / "env" / "bin"
    subprocess.run(
        [str(binaries / "python"), *pip, "install", "-c", str(ROOT / "constraints.txt"), str(wheel)],
        check=True,
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    env = {"PATH": os.environ["PATH"], "UMI_HOME": str(tmp_path / "home")}

    def run(*words: str) -> str:
        done = subprocess.run(words, cwd=empty, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "42" in run(str(binaries / "umi"), "ask", "what is 17.5% of 240?")
    assert "umi-mini" in run(str(binaries / "umi"), "models", "list")
    assert run(str(binaries / "umi"), "models", "verify").count("ok  ") == 6
    assert "smollm2-135m" in run(str(binaries / "umi"), "models", "show", "umi-135m")
