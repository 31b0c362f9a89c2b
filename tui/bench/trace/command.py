"""`umi bench`: a fixed conversation on a bundle, through umi's engine and other ways, a process each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from agent.bundle import Bundle, Layout
from agent.errors import EngineError, InputError
from agent.paths import cache_folder, config_path
from tui.bench.machine import machine
from tui.bench.systems.llama_server import server_python
from tui.bench.trace.job import Job
from tui.bench.trace.start import start_figures
from tui.bench.trace.table import print_table
from tui.cli.models.build import open_models

SYSTEMS = (
    "plain",
    "chat_completion",
    "merged",
    "merged_disk",
    "shared",
    "shared_disk",
    "single_disk",
    "llama_server",
    "llama_server_ngram",
    "llama_server_roles",
)
"""The systems that write the trace."""
ON_DISK = {"merged_disk": "fill_merged", "shared_disk": "fill", "single_disk": "fill_single"}
"""The systems that find their tool list in umi's prompt cache, and the tasks that put it there."""
FILLED = {
    **ON_DISK,
    "llama_server": "fill_server",
    "llama_server_ngram": "fill_server",
    "llama_server_roles": "fill_server_roles",
}
"""The same with the systems that find it in a saved slot of llama-server."""
OTHERS = ("one_role", "rates", "cancel", "checks", "start")
"""The other measurements."""
FIGURES: dict[str, Any] = {
    "one_role_resident_mb": None,
    "write_tokens_per_second": {"bare": None, "free": None, "constrained": None},
    "read_tokens_per_second": None,
    "cancel_seconds": None,
    "checks_share": None,
    "checks_turns": None,
    "start_ratio": None,
    "start_seconds": None,
    "import_seconds": None,
}
"""The figures of OTHERS where none is measured."""


def bench(models: str | None, *, as_json: bool, only: str | None, threads: int, rounds: int) -> int:
    """Measure a bundle and print a table or JSON; progress goes to stderr.

    `only` names the SYSTEMS and OTHERS to run, divided by commas; the systems run `rounds` times. Raises
    InputError on bad input and EngineError where a process failed.
    """
    selected = _selected(only)
    bundle = open_models(models)
    if bundle.dialect == "chat":
        raise InputError(
            f"{bundle.name} is a stock model, and the trace is written by three roles",
            f"measure it with: umi bench stock --models {bundle.name}",
        )
    with tempfile.TemporaryDirectory(prefix="umi-bench-") as folder:
        result = _BenchRun(bundle, Path(folder), threads).run(selected, rounds)
    if as_json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        print_table(result)
    return 0


def _selected(only: str | None) -> list[str]:
    if only is None:
        return [*SYSTEMS, *OTHERS]
    names = [name.strip() for name in only.split(",") if name.strip()]
    for name in names:
        if name not in (*SYSTEMS, *OTHERS):
            raise InputError(f"there is no system {name}", f"there are {', '.join((*SYSTEMS, *OTHERS))}")
        if name.startswith("llama_server") and server_python() is None:
            raise InputError("there is no llama-server", "make an environment for it: make bench-server")
    if not names:
        raise InputError("--systems names none", f"there are {', '.join((*SYSTEMS, *OTHERS))}")
    return names


class _BenchRun:
    """One run of the bench.

    A process has a user folder of its own, so that no cache is filled before it begins.
    Systems that find their tool list on disk share one.
    """

    def __init__(self, bundle: Bundle, folder: Path, threads: int) -> None:
        self._bundle = bundle
        self._folder = folder
        self._homes = 0
        self._job = Job("prepare", str(bundle.folder.resolve()), str(folder / "scratch"), threads=threads)
        (folder / "scratch").mkdir()
        self._filled_home = self._new_home()

    def run(self, selected: Sequence[str], rounds: int) -> dict[str, Any]:
        """Measure what is selected, in a fixed order, and return all figures; None for the rest.

        The systems take `rounds` turns, each second one in reverse; a figure is the median.
        """
        for file in self._bundle.files:
            _fill_page_cache(self._bundle.folder / file.file)
        prepared = self._run_task("prepare")
        self._job = replace(self._job, threads=prepared["threads"], context_length=prepared["context_length"])
        figures = dict(FIGURES)
        trace = self._run_systems(
            [name for name in SYSTEMS if name in selected and self._applies(name)], rounds
        )
        for name in OTHERS:
            if name in selected:
                measure = self._start if name == "start" else lambda name=name: self._run_task(name)
                figures |= self._with_progress(name, measure)
        return {
            "machine": machine(prepared["threads"]),
            "model": {
                "name": self._bundle.name,
                "layout": self._bundle.layout,
                "mb": round(sum(file.size for file in self._bundle.files) / 1e6, 1),
                "vocabulary": prepared["vocabulary"],
                "context_length": prepared["context_length"],
            },
            "rounds": rounds,
            "trace_tokens": prepared["tokens"],
            "trace": trace,
            **layout_figures(self._bundle.layout, trace),
            **figures,
        }

    def _run_systems(self, names: Sequence[str], rounds: int) -> dict[str, Any]:
        for task in dict.fromkeys(FILLED[name] for name in names if name in FILLED):
            self._run_task(task, self._filled_home)
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in SYSTEMS}
        for number in range(rounds):
            for name in names[:: -1 if number % 2 else 1]:
                home = self._filled_home if name in ON_DISK else None
                rows[name].append(
                    self._with_progress(name, lambda name=name, home=home: self._run_task(name, home))
                )
        return {name: median_of(rows[name]) if rows[name] else None for name in SYSTEMS}

    def _applies(self, name: str) -> bool:
        match name:
            case "shared" | "shared_disk":
                return self._bundle.layout != "merged"
            case "llama_server" | "llama_server_ngram":
                return self._bundle.layout != "merged" and server_python() is not None
            case "llama_server_roles":
                return self._bundle.layout == "shared" and server_python() is not None
            case _:
                return True

    def _new_home(self) -> Path:
        """Return a new user folder with the settings, and the number of threads if it is measured."""
        self._homes += 1
        home = self._folder / f"home-{self._homes}"
        (home / "cache").mkdir(parents=True)
        for source, target in (
            (config_path(), home / "config.toml"),
            (cache_folder() / "measured.json", home / "cache" / "measured.json"),
        ):
            if source.exists():
                shutil.copyfile(source, target)
        return home

    def _start(self) -> dict[str, Any]:
        return start_figures({**os.environ, "UMI_HOME": str(self._new_home())})

    def _run_task(self, task: str, home: Path | None = None) -> dict[str, Any]:
        """Run one task of `tui.bench.trace.worker` in a process of its own and return its figures.

        Without `home`, the process has a new one.
        """
        done = subprocess.run(
            [sys.executable, "-P", "-m", "tui.bench.trace.worker", replace(self._job, task=task).to_json()],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "UMI_HOME": str(home or self._new_home())},
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines()
            reason = lines[-1] if lines else f"its process ended with {done.returncode}"
            raise EngineError(f"{task.replace('_', ' ')} cannot be measured: {reason}")
        return json.loads(done.stdout.splitlines()[-1])

    def _with_progress(self, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        print(f"{name.replace('_', ' ')} …", end="", file=sys.stderr, flush=True)
        started = perf_counter()
        figures = measure()
        print(f" {perf_counter() - started:.1f} s", file=sys.stderr, flush=True)
        return figures


def layout_figures(layout: Layout, trace: Mapping[str, Any]) -> dict[str, Any]:
    """Return the seconds of the trace's question in each layout, and the fastest of at least two.

    They are those of loaded models that find the tool list on disk; None for a layout that was not measured,
    as the shared one is not where a bundle, whose layout is `layout`, has no adapters.
    """
    seconds: dict[str, float | None] = {}
    for name, system in (("merged", "merged_disk"), ("shared", "shared_disk"), ("single", "single_disk")):
        row = None if name == "shared" != layout else trace[system]
        seconds[name] = round(row["seconds"] - row["load_seconds"], 3) if row else None
    measured = {name: each for name, each in seconds.items() if each is not None}
    fastest = min(measured, key=lambda name: measured[name]) if len(measured) > 1 else None
    return {"layout_seconds": seconds, "fastest_layout": fastest}


def median_of(rows: Sequence[Any]) -> Any:
    """Return the median of each figure in `rows`, alike in their keys; a count stays one."""
    if isinstance(rows[0], dict):
        return {key: median_of([row[key] for row in rows]) for key in rows[0]}
    if any(row is None for row in rows):
        return None
    found = median(rows)
    return round(found) if isinstance(rows[0], int) else round(found, 3)


def _fill_page_cache(path: Path) -> None:
    """Read a file once, so that every process finds it in the page cache."""
    with path.open("rb") as opened:
        while opened.read(1 << 24):
            pass
