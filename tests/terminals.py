"""A program in a real terminal: under tmux, which draws what it writes, or on a bare pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pytest

_ESCAPES = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-Z\\-_=>]")
_WAIT_S = 20.0


class Terminal(Protocol):
    """What a test does with a terminal."""

    def send(self, keys: str) -> None:
        """Type characters; `\\r` is Enter, `\\x1b` Esc."""
        ...

    def resize(self, columns: int, lines: int) -> None:
        """Change the size."""
        ...

    def text(self) -> str:
        """Return what is shown."""
        ...

    def close(self) -> None:
        """End the program."""
        ...


class TmuxTerminal:
    """A session of a tmux server of its own."""

    def __init__(self, command: Sequence[str], columns: int, lines: int, socket: Path) -> None:
        self._tmux = ("tmux", "-S", str(socket), "-f", "/dev/null")
        run = f"{shlex.join(command)}; sleep 60"
        self._call("new-session", "-d", "-x", str(columns), "-y", str(lines), "sh", "-c", run)

    def send(self, keys: str) -> None:
        self._call("send-keys", "-H", *(f"{byte:02x}" for byte in keys.encode()))

    def resize(self, columns: int, lines: int) -> None:
        self._call("resize-window", "-x", str(columns), "-y", str(lines))

    def text(self) -> str:
        return self._call("capture-pane", "-p")

    def close(self) -> None:
        self._call("kill-server")

    def _call(self, *arguments: str) -> str:
        done = subprocess.run((*self._tmux, *arguments), capture_output=True, text=True, check=True)
        return done.stdout


class BareTerminal:
    """A pseudo-terminal; its text is all that was written since it was resized, without escape sequences."""

    def __init__(self, command: Sequence[str], columns: int, lines: int) -> None:
        self._terminal, inside = pty.openpty()
        self._written = b""
        self._set_size(columns, lines)
        self._process = subprocess.Popen(
            command, stdin=inside, stdout=inside, stderr=inside, start_new_session=True
        )
        os.close(inside)

    def send(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        self._written = b""
        self._set_size(columns, lines)
        self._process.send_signal(
            signal.SIGWINCH
        )  # SIGWINCH: the terminal does not control the process's session

    def text(self) -> str:
        while select.select([self._terminal], [], [], 0)[0]:
            try:
                piece = os.read(self._terminal, 65536)
            except OSError:  # Linux: the program has ended
                break
            if not piece:
                break
            self._written += piece
        return _ESCAPES.sub("", self._written.decode(errors="replace"))

    def hang_up(self) -> None:
        """Close the terminal under the program, which gets no signal."""
        if self._terminal >= 0:
            os.close(self._terminal)
        self._terminal = -1

    def send_signal(self, number: int) -> None:
        """Send a signal to the program."""
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int:
        """Return the exit code of the program once it has ended."""
        return self._process.wait(seconds)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self.hang_up()

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


def wait_for(terminal: Terminal, wanted: str) -> str:
    """Wait until the terminal shows `wanted` and return its text; fail the test if it does not."""
    deadline = time.monotonic() + _WAIT_S
    while wanted not in (text := terminal.text()):
        if time.monotonic() > deadline:
            pytest.fail(f"the terminal does not show {wanted!r}:\n{text[-2000:]}")
        time.sleep(0.05)
    return text
