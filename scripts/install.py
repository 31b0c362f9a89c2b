"""Install umi with the locked versions, and show what is being done: one moving line, or a line a stage.

    python scripts/install.py base
    python scripts/install.py dev

Each package of the lock is fetched, or built, into a folder of the environment first, one by one: what was
finished before an interruption is neither fetched nor built again. All that pip prints goes to a log.
Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from lock import LOCK, ROOT, locked_group, normalized

TARGETS = {"base": ".", "dev": ".[dev]"}
"""What pip installs for each group of the lock."""
ENVIRONMENT = Path(sys.prefix)
PACKAGES = ENVIRONMENT / "packages"
"""Fetched and built wheels; removed when the installation is complete."""
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
WORKERS = 3
"""Downloads at a time; while one of them compiles, the others go on."""
COMPILED = "llama-cpp-python"
"""The package whose build takes minutes."""
COMPILE_STEP = re.compile(r"^\s+\[\s*(\d+(?:/\d+|%))\] ")
"""How ninja (`[36/140]`) and make (`[ 25%]`) count their steps."""
HEARTBEAT_S = 30.0
"""Seconds between lines where standard error is not a terminal."""
TAIL = 15
"""Lines of the log that are shown when pip fails."""


class PipError(Exception):
    """pip failed; the argument is the end of what it printed."""


class Display:
    """A line that says what `describe` returns and the time since the start, drawn by a thread of its own."""

    def __init__(self, describe: Callable[[], str]) -> None:
        self._describe = describe
        self._started = time.monotonic()
        self._live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._draw, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop drawing and clear the line."""
        self._done.set()
        self._thread.join()
        if self._live:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _draw(self) -> None:
        printed = -HEARTBEAT_S
        for tick in count():
            seconds = time.monotonic() - self._started
            if self._live:
                clock = f"{int(seconds) // 60}:{int(seconds) % 60:02}"
                width = os.get_terminal_size(sys.stderr.fileno()).columns - 1
                line = f"{'|/-'[tick % 3]} {clock} {self._describe()}"[:width]
                print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
            elif seconds - printed > HEARTBEAT_S:
                printed = seconds
                print(f"  {seconds:.0f} s: {self._describe()}", file=sys.stderr, flush=True)
            if self._done.wait(0.25):
                return


class Installation:
    """The installation of one group of the lock into the environment that runs this script."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._log = (ENVIRONMENT / f"install-{group}.log").open("a", encoding="utf-8")
        self._processes: set[subprocess.Popen[str]] = set()
        self._active: list[str] = []
        self._finished = self._total = 0
        self._compile_step = ""

    def describe(self) -> str:
        """Return what is being done now, in a line."""
        if not self._active:
            return "installing into the environment" if self._finished else "looking for what is missing"
        fetched = ", ".join(name for name in self._active if name != COMPILED)
        compiled = f"compiling llama.cpp {self._compile_step}".rstrip() if COMPILED in self._active else ""
        return (
            f"{self._finished} of {self._total} packages: {' and '.join(filter(None, (compiled, fetched)))}"
        )

    def run(self) -> None:
        """Fetch what is missing, then install it. Raise PipError."""
        PACKAGES.mkdir(exist_ok=True)
        there = {wheel_id(path.name) for path in PACKAGES.glob("*.whl")}
        packages = locked_group(LOCK.read_text(encoding="utf-8"), self._group)
        # The one that takes minutes first, the downloads beside it.
        missing = sorted(set(packages.items()) - there, key=lambda package: package[0] != COMPILED)
        self._total = len(missing)
        pool = ThreadPoolExecutor(WORKERS)
        try:
            for done in [pool.submit(self._fetch, *package) for package in missing]:
                done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(self._processes):
                process.terminate()
        target = ("-c", str(LOCK), "--find-links", str(PACKAGES), "-e", TARGETS[self._group])
        self._pip("install", "--quiet", *target)
        for path in PACKAGES.iterdir():
            path.unlink()

    def _fetch(self, name: str, version: str) -> None:
        """Put the wheel of a package into PACKAGES; it appears there whole."""
        self._active.append(name)
        verbose = ("-v",) if name == COMPILED else ()
        self._pip("wheel", *verbose, "--no-deps", "--wheel-dir", str(PACKAGES), f"{name}=={version}")
        self._active.remove(name)
        self._finished += 1

    def _pip(self, *arguments: str) -> None:
        """Run pip and wait for it. Raise PipError with the end of its output."""
        lines: list[str] = []
        process = subprocess.Popen(
            [*PIP, *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._processes.add(process)
        assert process.stdout
        for line in process.stdout:
            self._log.write(line)
            lines = [*lines[1 - TAIL :], line]
            if step := COMPILE_STEP.match(line):
                self._compile_step = f"({step[1]})"
        self._processes.discard(process)
        if process.wait():
            raise PipError("".join(lines))


def wheel_id(file: str) -> tuple[str, str]:
    """Return the normalized name and the public version of a wheel's file name."""
    name, version = file.split("-")[:2]
    return normalized(name), version.partition("+")[0]


def main(group: str) -> int:
    """Install a group of the lock and return an exit code."""
    installation = Installation(group)
    display = Display(installation.describe)
    try:
        installation.run()
    except KeyboardInterrupt:
        display.close()
        print("stopped; the same command goes on with what is missing", file=sys.stderr)
        return 130
    except PipError as error:
        display.close()
        print(error, end="", file=sys.stderr)
        print(f"pip failed; all it printed is in {ENVIRONMENT / f'install-{group}.log'}", file=sys.stderr)
        if COMPILED in str(error):
            print(
                "llama.cpp needs a C and C++ compiler (Debian: apt install build-essential)", file=sys.stderr
            )
        return 1
    display.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
