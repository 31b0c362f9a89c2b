"""`make chat` and `make test` pull a base once, and go on where that fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lock import ROOT

PULL = "models pull smollm2-135m"
BUILD = "models build umi-135m"
TESTS = "-m pytest -q -n auto --maxprocesses 4"
PROGRAM = """
import os, sys
call = " ".join(sys.argv[1:])
with open("calls", "a") as calls:
    print(call or "the chat", file=calls)
sys.exit(int(os.environ["PULL_CODE"]) if "pull" in call else 0)
"""

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="there is no make")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the Makefile, where umi is installed: a program that logs how it is called."""
    folder = tmp_path / "checkout"
    programs = folder / ".venv" / "bin"
    for path in ("pyproject.toml", "constraints.txt", "scripts/install.py", ".venv/bin/python"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
        os.utime(folder / path, (0, 0))
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("umi", "python"):
        program = programs / name
        program.write_text(f"#!{sys.executable}\n{PROGRAM}")
        program.chmod(0o755)
        os.utime(program, (0, 0))
    for stamp in (".base", ".dev"):
        (folder / ".venv" / stamp).touch()
    return folder


def make(checkout: Path, *arguments: str, code: int = 0) -> tuple[list[str], str]:
    """Run make; return how umi and Python were called, and what was printed."""
    # The tests themselves run under make, which hands its level down and then names every folder.
    of_make = ("MODELS", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKE_TERMOUT", "MAKE_TERMERR")
    environment = {name: value for name, value in os.environ.items() if name not in of_make}
    done = subprocess.run(
        ["make", *arguments],
        cwd=checkout,
        env={**environment, "PULL_CODE": str(code)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    calls = (checkout / "calls").read_text().splitlines()
    (checkout / "calls").unlink()
    return calls, done.stdout


def test_the_chat_opens_with_a_base_that_is_pulled_once(checkout: Path) -> None:
    calls, said = make(checkout, "chat")
    assert calls == [PULL, BUILD, "the chat"]
    assert "93 MB" in said
    assert make(checkout, "chat") == (["the chat"], "")
    assert make(checkout, "test")[0] == [TESTS]


def test_the_chat_opens_without_a_base_where_that_fails(checkout: Path) -> None:
    calls, said = make(checkout, "chat", code=1)
    assert calls == [PULL, "the chat"]
    assert "on umi-mini; to get it later: .venv/bin/umi models pull smollm2-135m" in said
    assert make(checkout, "chat", code=1) == (["the chat"], "")


def test_the_tests_run_where_the_index_does_not_answer(checkout: Path) -> None:
    assert make(checkout, "test", code=1)[0] == [PULL, TESTS]


def test_the_step_can_be_skipped_and_done_later(checkout: Path) -> None:
    assert make(checkout, "chat", "MODELS=") == (["the chat"], "")
    assert make(checkout, "chat", "MODELS=qwen3-0.6b")[0] == ["models pull qwen3-0.6b", "the chat"]
