"""Terminals that show ASCII only, no colour, or lines alone."""

# ruff: noqa: RUF001 - ambiguous characters are what is tested

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from app_pilot import app_of, ready, send, texts, until
from fakes import plan, scripted

import tui.cli.tree.root
from tui.app.transcript.markdown_answer import AnswerBlock
from tui.ascii import to_ascii, wants_ascii
from tui.cli.main import main
from tui.cli.terminal.progress import DownloadProgress
from tui.cli.terminal.streams import prepare_streams
from tui.text import json_for


class Stream(io.TextIOWrapper):
    """A stream of an encoding, at which a person sits or not."""

    def __init__(self, encoding: str, terminal: bool) -> None:
        super().__init__(io.BytesIO(), encoding=encoding)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def written(self) -> bytes:
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue()


@pytest.mark.parametrize(
    ("variables", "ascii_only"),
    [
        ({"LANG": "C"}, True),
        ({"LC_ALL": "POSIX", "LANG": "de_DE.UTF-8"}, True),
        ({"LC_ALL": "C.UTF-8", "LANG": "C"}, False),
        ({"LANG": "en_GB.UTF-8"}, False),
        ({}, False),
    ],
)
def test_the_locale_c_knows_ascii_only(
    variables: dict[str, str], ascii_only: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert wants_ascii() == ascii_only


def test_words_stay_words_in_ascii() -> None:
    assert to_ascii("· Café “Straße” → 3 × 4 ≤ 12… ⠋") == '* Cafe "Strasse" > 3 x 4 <= 12... *'
    assert to_ascii("日本 ▸│╭─…", same_width=True) == "???? >|+-."
    assert to_ascii("e\u0301") == "e"


@pytest.mark.parametrize(
    ("encoding", "terminal", "locale", "expected"),
    [
        ("utf-8", True, "C", b"* Cafe..."),
        ("utf-8", False, "C", "· Café…".encode()),
        ("utf-8", True, "C.UTF-8", "· Café…".encode()),
        ("ascii", False, "C.UTF-8", b"* Cafe..."),
        ("latin-1", False, "C.UTF-8", b"\xb7 Caf\xe9..."),
    ],
)
def test_streams_write_no_escapes_in_words(
    encoding: str, terminal: bool, locale: str, expected: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    stream = Stream(encoding, terminal)
    monkeypatch.setattr(sys, "stdout", stream)
    prepare_streams()
    stream.write("· Café…")
    assert stream.written() == expected


def test_json_stays_the_same_value_in_every_encoding() -> None:
    text = json.dumps({"answer": "Café 🙂"}, ensure_ascii=False)
    assert json_for("utf-8", text) == text
    for encoding in ("ascii", "latin-1"):
        assert json_for(encoding, text).isascii()
        assert json.loads(json_for(encoding, text)) == {"answer": "Café 🙂"}


async def test_the_app_draws_ascii_in_the_locale_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    app = app_of(scripted([plan("A thought…", "summarizer"), "Café – “good”."], tmp_path))
    async with app.run_test(size=(60, 20)) as pilot:
        await ready(pilot)
        await send(pilot, "hello")
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["Café – “good”."])
        await ready(pilot)
        drawn = [
            "".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips()
        ]
    assert all(line.isascii() for line in drawn)
    assert any('Cafe - "good".' in line for line in drawn)
    assert any(line.strip().startswith("+--") for line in drawn)


def test_the_chat_says_that_a_dumb_terminal_does_not_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "dumb")
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(tui.cli.tree.root.sys, name, Terminal())
    assert main([]) == 2
    assert isinstance(sys.stderr, Terminal)
    assert "TERM is dumb" in sys.stderr.getvalue()
    out = Terminal()
    progress = DownloadProgress(out)
    progress.update("a.gguf", 1, 100)
    progress.clear()
    assert out.getvalue() == ""
