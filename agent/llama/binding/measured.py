"""The number of threads that llama.cpp computes with, measured once for each model and remembered.

More threads than cores, or hyperthreads, make it slower; how much so differs from machine to machine.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from agent.llama.binding.hardware import usable_cores
from agent.paths import cache_folder, read_json, write_private

ROUNDS = 3
"""How often each count is timed, in turns; its best time counts."""

_FILE = "threads.json"

_log = logging.getLogger(__name__)


def candidates(cores: int) -> list[int]:
    """Return the counts to try: every core, one less (for the rest of the machine), half, a quarter."""
    return sorted({max(1, count) for count in (cores, cores - 1, (cores + 1) // 2, cores // 4)}, reverse=True)


def remembered_threads(model_sha256: str, measure: Callable[[int], None]) -> int:
    """Return the fastest count for a model on this machine. `measure(n)` computes a little with n threads."""
    cores = usable_cores()
    path, key = cache_folder() / _FILE, f"{cores} cores, {model_sha256[:16]}"
    known = _read(path)
    if isinstance(count := known.get(key), int) and 1 <= count <= cores:
        return count
    best = fastest(candidates(cores), measure)
    try:
        write_private(path, json.dumps(known | {key: best}, indent=1) + "\n")
    except OSError as error:
        _log.info("the thread count was not remembered: %s", error)
    return best


def forget_threads() -> None:
    """Remove the measured counts, so that the next run measures again."""
    try:
        (cache_folder() / _FILE).unlink(missing_ok=True)
    except OSError as error:
        _log.info("the thread counts were not removed: %s", error)


def fastest(counts: list[int], measure: Callable[[int], None]) -> int:
    """Return the count with the shortest best time, after one untimed run."""
    measure(counts[0])
    times = dict.fromkeys(counts, float("inf"))
    for _ in range(ROUNDS):
        for count in counts:
            started = perf_counter()
            measure(count)
            times[count] = min(times[count], perf_counter() - started)
    return min(times, key=lambda count: times[count])


def _read(path: Path) -> dict[str, Any]:
    try:
        value = read_json(path)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
