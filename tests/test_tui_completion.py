"""Completion of command lines by bash, zsh and fish."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tui.cli.completion import VARIABLE
from tui.cli.main import main

ROOT = Path(__file__).parent.parent


def completed(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What bash is offered for the last word of a line."""
    words = line.split(" ")
    monkeypatch.setenv(VARIABLE, "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "\n".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("umi mod", {"models"}),
        ("umi models ver", {"verify"}),
        ("umi ask --models umi", {"umi-135m", "umi-mini"}),
        ("umi ask --tools calculate,current", {"calculate,current_time"}),
        ("umi config set engine.th", {"engine.threads"}),
        ("umi models pull granite-4.0-3", {"granite-4.0-350m"}),
        ("umi completion z", {"zsh"}),
        ("umi wrong mod", set()),
    ],
)
def test_words_are_completed(
    line: str, expected: set[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(completed(line, monkeypatch, capsys)) == expected


def test_options_are_completed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert {"--final", "--quiet", "--file"} <= set(completed("umi ask --", monkeypatch, capsys))


def test_each_shell_has_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert main(["completion", shell]) == 0
        assert VARIABLE in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_with_the_script(tmp_path: Path) -> None:
    program = tmp_path / "umi"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m tui "$@"\n')
    program.chmod(0o755)
    shell = (
        'eval "$(umi completion bash)"; COMP_WORDS=(umi models ca); COMP_CWORD=2;'
        ' "$(complete -p umi | sed -n "s/.*-F \\([^ ]*\\).*/\\1/p")" umi; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", shell],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout.strip(), done.stderr) == ("catalogue", "")
