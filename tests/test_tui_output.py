"""What `umi` writes: no control characters into a pipe; closed and full streams in one line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from fakes import plan, scripted

import tui.cli.ask
from tui.cli.main import main
from tui.text import json_without_controls, without_controls

CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
HOSTILE = "one\ttwo\nthree \x1b]0;title\x07 \x9b2J \x7f \u202etxt.exe\u2066 \x00 é 你好"

SetScript = Callable[[Sequence[str]], None]


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SetScript:
    """Let `umi ask` open a scripted agent; returns a function that sets the script."""

    def set_script(script: Sequence[str]) -> None:
        monkeypatch.setattr(tui.cli.ask, "open_agent", lambda options: scripted(script, tmp_path))

    return set_script


def test_a_piped_answer_has_no_control_characters(
    models: SetScript, capsys: pytest.CaptureFixture[str]
) -> None:
    models([plan("", "summarizer"), HOSTILE])
    assert main(["ask", "a question"]) == 0
    out = capsys.readouterr().out
    assert not CONTROLS.search(out)
    assert out.startswith("one\ttwo\nthree \\x1b]0;title\\x07 \\x9b2J \\x7f \\u202etxt.exe\\u2066 ")
    assert out.endswith(" é 你好\n")


def test_with_raw_a_piped_answer_is_as_it_is(models: SetScript, capsys: pytest.CaptureFixture[str]) -> None:
    models([plan("", "summarizer"), HOSTILE])
    assert main(["ask", "--raw", "a question"]) == 0
    assert capsys.readouterr().out == HOSTILE + "\n"


def test_json_has_no_control_characters_and_the_same_values(
    models: SetScript, capsys: pytest.CaptureFixture[str]
) -> None:
    models([plan("", "summarizer"), HOSTILE])
    assert main(["ask", "--json", "a question"]) == 0
    out = capsys.readouterr().out
    assert not CONTROLS.search(out)
    assert "\t" not in out
    assert json.loads(out.splitlines()[-1])["answer"] == HOSTILE


def test_every_control_character_is_escaped() -> None:
    text = "x".join(map(chr, [*range(0x110), *range(0x2000, 0x2070), *range(0xD7FF, 0xE001)]))
    assert set(CONTROLS.sub("", text)) <= set(without_controls(text))
    assert not CONTROLS.search(without_controls(text))
    written = json_without_controls(json.dumps(text, ensure_ascii=False))
    assert not CONTROLS.search(written)
    assert json.loads(written) == text


@pytest.mark.parametrize(
    ("streams", "code", "says"),
    [
        (">/dev/full", 1, "umi: standard output cannot be written: No space left on device; free space"),
        (">&-", 1, "umi: standard output is closed; redirect it to a file, or to /dev/null"),
        (">&- 2>&-", 1, ""),
        (">/dev/full 2>/dev/full", 1, ""),
        ("2>/dev/full", 0, ""),
        ("<&- 2>&-", 0, ""),
    ],
)
def test_closed_and_full_streams_are_one_line(streams: str, code: int, says: str) -> None:
    command = f'exec "$0" -P -m tui tools list {streams}'
    done = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == code
    assert done.stderr.startswith(says)
    assert done.stderr.count("\n") == bool(says)
    assert ("calculate" in done.stdout) == (code == 0)


def test_a_closed_stream_is_not_another_file(tmp_path: Path) -> None:
    """Descriptor 2 would be that of the next file that is opened, and messages would go into it."""
    script = (
        "import os, sys\n"
        "from tui.cli.terminal.streams import prepare_streams\n"
        "prepare_streams()\n"
        "file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)\n"
        "assert file > 2\n"
        "os.write(2, b'a message of a library')\n"
        "print('a message', file=sys.stderr)\n"
    )
    command = f'exec "$0" -c "$1" "{tmp_path / "file"}" 2>&-'
    subprocess.run(["/bin/sh", "-c", command, sys.executable, script], check=True)
    assert (tmp_path / "file").read_bytes() == b""
