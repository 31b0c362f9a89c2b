"""Run `pip install` and show what it is doing: one moving line in a terminal, a line a stage elsewhere.

    python scripts/install.py .venv/install.log "umi" -c constraints.txt -e .

All that pip prints goes to the log. What pip downloaded or built stays in its cache, so an interrupted
installation goes on with what is missing. Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from itertools import count
from pathlib import Path

COMPILED = "llama-cpp-python"
"""The package whose build takes minutes."""
STAGES = (
    (r"Collecting (\S+)", "finding {}"),
    (r"Downloading (?:\S*/)?([^\s/]+?)-\d\S*", "downloading {}"),
    (r"Using cached (?:\S*/)?([^\s/]+?)-\d\S*", "finding {}"),
    (r"Building wheel for (\S+) .*started", "building {}"),
    (r"Building wheels for collected packages", "building"),
    (r"Installing collected packages", "unpacking into the environment"),
)
COMPILE_STEP = re.compile(r"^\s+\[\s*(\d+(?:/\d+|%))\] ")
"""How ninja (`[36/140]`) and make (`[ 25%]`) count their steps."""
HEARTBEAT_S = 30.0
"""Seconds between lines where standard error is not a terminal."""
TAIL = 15
"""Lines of the log that are shown when pip fails."""


class Display:
    """The current stage and the time since the start, drawn by a thread of its own."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._stage = "starting pip"
        self._started = time.monotonic()
        self._live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._draw, daemon=True)
        self._thread.start()

    def stage(self, stage: str) -> None:
        """Show `stage` from now on."""
        self._stage = stage

    def close(self) -> None:
        """Stop drawing and clear the line."""
        self._done.set()
        self._thread.join()
        if self._live:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _draw(self) -> None:
        last, printed = "", 0.0
        for tick in count():
            seconds = time.monotonic() - self._started
            line = f"{self._what}: {self._stage}"
            if self._live:
                clock = f"{int(seconds) // 60}:{int(seconds) % 60:02}"
                width = os.get_terminal_size(sys.stderr.fileno()).columns - 1
                spinner = "|/-"[tick % 3]
                print(f"\r\x1b[K{f'{spinner} {clock} {line}'[:width]}", end="", file=sys.stderr, flush=True)
            else:
                stage = line.partition(" (")[0]
                begins = stage != last and not self._stage.startswith(("finding", "downloading"))
                if begins or seconds - printed > HEARTBEAT_S:
                    last, printed = stage, seconds
                    print(f"{line}, {seconds:.0f} s", file=sys.stderr, flush=True)
            if self._done.wait(0.25):
                return


def stage_of(line: str) -> str | None:
    """Return the stage that a line of pip's output begins, or None."""
    if step := COMPILE_STEP.search(line):
        return f"compiling llama.cpp ({step[1]})"
    for pattern, text in STAGES:
        if found := re.search(pattern, line.strip()):
            stage = text.format(*found.groups())
            if stage == f"building {COMPILED}":
                stage = "compiling llama.cpp (once; about five minutes on two cores)"
            return stage
    return None


def main(log: str, what: str, *arguments: str) -> int:
    """Install, and return pip's exit code."""
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--progress-bar",
        "off",
        "-v",
    ]
    lines: list[str] = []
    display = Display(what)
    try:
        with (
            Path(log).open("w", encoding="utf-8") as file,
            subprocess.Popen(
                [*pip, *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            ) as process,
        ):
            assert process.stdout
            for line in process.stdout:
                file.write(line)
                lines = [*lines[1 - TAIL :], line]
                if stage := stage_of(line):
                    display.stage(stage)
        code = process.returncode
    except KeyboardInterrupt:
        display.close()
        print(f"{what}: stopped; the same command goes on with what is missing", file=sys.stderr)
        return 130
    display.close()
    if code:
        print("".join(lines), end="", file=sys.stderr)
        print(f"{what}: pip failed; all it printed is in {log}", file=sys.stderr)
        if any(COMPILED in line for line in lines):
            print(
                "llama.cpp needs a C and a C++ compiler (Debian: apt install build-essential)",
                file=sys.stderr,
            )
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
