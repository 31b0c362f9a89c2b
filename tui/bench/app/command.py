"""`umi bench app`: the app's first paint, a streamed answer, a long session opened, many searched."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from agent.errors import EngineError

ROUNDS = 7
TARGETS = {
    "first_paint_ratio": 1.5,
    "streaming_cpu_share": 0.2,
    "open_1000_blocks_seconds": 0.5,
    "search_10000_sessions_seconds": 0.05,
}
"""The most that each figure may be."""


def bench_app(*, as_json: bool) -> int:
    """Measure the app in pseudo-terminals, a process each, and print the figures; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="umi-bench-") as folder:
        figures = app_figures(Path(folder))
    if as_json:
        print(json.dumps(figures))
        return 0
    for name, value in figures.items():
        target = f"  (at most {TARGETS[name]})" if name in TARGETS else ""
        print(f"{name:32}{value:8.3f}{target}")
    return 0


def app_figures(folder: Path, rounds: int = ROUNDS) -> dict[str, float]:
    """Return the figures: first paints are medians of `rounds` processes that take turns.

    Raise EngineError where a process fails.
    """
    bare: list[float] = []
    umi: list[float] = []
    for _ in range(rounds):
        bare.append(_run("bare", folder)[0])
        umi.append(_run("first_paint", folder)[0])
    figures: dict[str, Any] = {
        "first_paint_ratio": median(umi) / median(bare),
        "first_paint_seconds": median(umi),
        "bare_first_paint_seconds": median(bare),
    }
    for task in ("streaming", "opening", "searching"):
        figures |= _run(task, folder)[1]
    return {name: round(value, 3) for name, value in figures.items()}


def _run(task: str, folder: Path) -> tuple[float, dict[str, float]]:
    """Run a task of `tui.bench.app.worker` in a terminal of 80x24; return its seconds and figures."""
    out = folder / f"{task}.json"
    master, terminal = pty.openpty()
    environment = {**os.environ, "UMI_HOME": str(folder / "home"), "TERM": "xterm-256color"}
    environment |= {"COLUMNS": "80", "LINES": "24"}
    started = perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "tui.bench.app.worker", task, str(out)],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment,
        start_new_session=True,
    )
    os.close(terminal)
    shown = b""
    while process.poll() is None:
        if select.select([master], [], [], 0.005)[0]:
            try:
                shown = (shown + os.read(master, 65536))[-2000:]
            except OSError:  # the process closed its end
                break
    process.wait()
    seconds = perf_counter() - started
    os.close(master)
    if process.returncode or not out.exists():
        text = shown.decode("utf-8", "replace").strip()
        raise EngineError(f"the app's {task.replace('_', ' ')} cannot be measured: {text[-300:]}")
    return seconds, json.loads(out.read_text())
