"""The app in a real terminal: under tmux where it is installed, else on a pseudo-terminal."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from terminals import BareTerminal, Terminal, TmuxTerminal, wait_for

from agent.sessions import SessionStore
from tui.app.approval.approval_prompt import ARMING_S


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The app as a program to run in a terminal."""
    for name in ("LC_ALL", "LANG"):
        monkeypatch.setenv(name, "C.UTF-8")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[1]))
    return [sys.executable, str(Path(__file__).with_name("terminal_chat.py")), str(tmp_path)]


@pytest.fixture
def terminal(command: list[str], tmp_path: Path) -> Iterator[Terminal]:
    """The app in a terminal of 80 by 24."""
    if shutil.which("tmux"):
        made = TmuxTerminal(command, 80, 24, tmp_path / "tmux")
    else:
        made = BareTerminal(command, 80, 24)
    yield made
    made.close()


def test_a_conversation_in_a_terminal(terminal: Terminal, tmp_path: Path) -> None:
    wait_for(terminal, "ready")
    terminal.send("what is 17.5% of 240?\r")
    wait_for(terminal, "It is 42.")

    terminal.send("write a todo list\r")
    wait_for(terminal, "Allow once (Ctrl+G)")
    assert "buy maps" in wait_for(terminal, "waiting for your answer")
    time.sleep(ARMING_S)
    terminal.send("\r")  # Enter alone, in the input, answers nothing
    terminal.send("\x1b")
    wait_for(terminal, "Nothing was written.")
    assert not (tmp_path / "workspace" / "todo.txt").exists()

    terminal.resize(60, 20)
    shown = wait_for(terminal, "Nothing was written.")
    assert max(map(len, shown.splitlines()), default=0) <= 60 or isinstance(terminal, BareTerminal)

    terminal.send("\x11")  # Ctrl+Q
    wait_for(terminal, "left with 0")
    with SessionStore.open() as store:
        assert [session.exchanges for session in store.list()] == [2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_app_in_order(command: list[str], number: int) -> None:
    terminal = BareTerminal(command, 80, 24)
    try:
        wait_for(terminal, "ready")
        terminal.send("what is 17.5% of 240?\r")
        wait_for(terminal, "It is 42.")
        terminal.send_signal(number)
        wait_for(terminal, "left with 0")
        assert terminal.wait(30) == 0
    finally:
        terminal.close()
    with SessionStore.open() as store:
        assert [session.exchanges for session in store.list()] == [1]


@pytest.mark.parametrize("number", [0, signal.SIGHUP])
def test_the_app_ends_with_its_terminal(command: list[str], number: int) -> None:
    terminal = BareTerminal(command, 80, 24)
    try:
        wait_for(terminal, "ready")
        terminal.hang_up()
        terminal.send_signal(number)
        terminal.wait(30)
    finally:
        terminal.close()
    with SessionStore.open() as store:
        assert not store.list()
