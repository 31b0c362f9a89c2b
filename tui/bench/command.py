"""`umi bench`: a fixed conversation on a bundle, through umi's engine and other ways, a process each."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from agent.bundle import Bundle
from agent.errors import EngineError, InputError
from agent.llama.binding.hardware import processor_name, usable_cores
from agent.paths import cache_folder, config_path
from tui.bench.job import Job
from tui.bench.start import start_figures
from tui.bench.table import print_table
from tui.cli.models.build import open_models
from tui.installation import installed_version

SYSTEMS = ("plain", "chat_completion", "merged", "shared", "shared_disk")
"""The systems that write the trace."""
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


def bench(models: str | None, *, as_json: bool, only: str | None, threads: int) -> int:
    """Measure a bundle and print a table or JSON; progress goes to stderr.

    `only` names the SYSTEMS and OTHERS to run, divided by commas. Raises InputError on bad input and
    EngineError where a process failed.
    """
    selected = _selected(only)
    bundle = open_models(models)
    if bundle.dialect == "chat":
        raise InputError(
            f"{bundle.name} is a stock model, and the trace is written by three roles",
            f"measure it with: umi bench stock --models {bundle.name}",
        )
    with tempfile.TemporaryDirectory(prefix="umi-bench-") as folder:
        result = _BenchRun(bundle, Path(folder), threads).run(selected)
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
    if not names:
        raise InputError("--systems names none", f"there are {', '.join((*SYSTEMS, *OTHERS))}")
    return names


class _BenchRun:
    """One run of the bench, with a user folder of its own, so that no cache is filled before it begins."""

    def __init__(self, bundle: Bundle, folder: Path, threads: int) -> None:
        self._bundle = bundle
        self._home = folder / "home"
        self._links = folder / "links"
        self._environment = {**os.environ, "UMI_HOME": str(self._home)}
        self._job = Job("prepare", str(bundle.folder.resolve()), str(self._links), threads=threads)
        for path in (self._home / "cache", self._links):
            path.mkdir(parents=True)
        # The user's settings, and the number of threads if it is measured already.
        for source, target in (
            (config_path(), self._home / "config.toml"),
            (cache_folder() / "threads.json", self._home / "cache" / "threads.json"),
        ):
            if source.exists():
                shutil.copyfile(source, target)

    def run(self, selected: Sequence[str]) -> dict[str, Any]:
        """Measure what is selected, in a fixed order, and return all figures; None for the rest."""
        for file in self._bundle.files:
            _fill_page_cache(self._bundle.folder / file.file)
        prepared = self._run_task("prepare")
        self._job = replace(self._job, threads=prepared["threads"], context_length=prepared["context_length"])
        trace: dict[str, Any] = dict.fromkeys(SYSTEMS)
        figures = dict(FIGURES)
        for name in SYSTEMS:
            if name in selected and self._applies(name):
                if name == "shared_disk" and trace["shared"] is None:
                    self._run_task("fill")
                trace[name] = self._with_progress(name, lambda name=name: self._run_task(name))
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
            "trace_tokens": prepared["tokens"],
            "trace": trace,
            **figures,
        }

    def _applies(self, name: str) -> bool:
        return self._bundle.layout != "merged" or not name.startswith("shared")

    def _start(self) -> dict[str, Any]:
        home = self._home.with_name("start")
        home.mkdir(exist_ok=True)
        return start_figures({**self._environment, "UMI_HOME": str(home)})

    def _run_task(self, task: str) -> dict[str, Any]:
        """Run one task of `tui.bench.worker` in a process of its own and return its figures."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "tui.bench.worker", replace(self._job, task=task).to_json()],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=self._environment,
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


def machine(threads: int) -> dict[str, Any]:
    """Return the machine and the versions that the figures are of."""
    return {
        "processor": processor_name(),
        "cores": usable_cores(),
        "threads": threads,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "llama_cpp_python": installed_version("llama-cpp-python"),
        "resident": "VmRSS" if sys.platform == "linux" else "ru_maxrss",
    }


def _fill_page_cache(path: Path) -> None:
    """Read a file once, so that every process finds it in the page cache."""
    with path.open("rb") as opened:
        while opened.read(1 << 24):
            pass
