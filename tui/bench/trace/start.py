"""Seconds from the start of a process to the first token of the models that umi ships."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from statistics import median
from time import perf_counter
from typing import Any

from agent.errors import EngineError

ROUNDS = 7


def start_figures(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the seconds to the first token, those of importing llama_cpp, and their ratio.

    The state of the tool list is on disk. Each is the median of `ROUNDS` new processes, which take turns.
    Raises EngineError where a process fails.
    """
    first_token = [sys.executable, "-P", "-m", "tui.bench.trace.first_token"]
    only_import = [sys.executable, "-P", "-c", "import llama_cpp; print()"]
    _seconds_to_first_line(first_token, environment)  # leaves the state on disk
    tokens: list[float] = []
    imports: list[float] = []
    for _ in range(ROUNDS):
        imports.append(_seconds_to_first_line(only_import, environment))
        tokens.append(_seconds_to_first_line(first_token, environment))
    token, imported = median(tokens), median(imports)
    return {
        "start_ratio": round(token / imported, 3),
        "start_seconds": round(token, 3),
        "import_seconds": round(imported, 3),
    }


def _seconds_to_first_line(command: list[str], environment: Mapping[str, str]) -> float:
    """Return the seconds until a new process prints its first line."""
    started = perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(environment)
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = perf_counter() - started
        _, errors = process.communicate()
    if process.returncode or not line:
        raise EngineError(f"the shipped models did not start: {errors.strip()[-300:]}", "see: umi doctor")
    return seconds
