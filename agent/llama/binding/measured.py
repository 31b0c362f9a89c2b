"""What is measured once of a model on this machine, and remembered: the best number of threads, decode costs.

More threads than cores, or hyperthreads, make it slower; how much so differs from machine to machine. So
does what a decode of several tokens takes against one of a single token.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from agent.llama.binding.hardware import usable_cores
from agent.paths import cache_folder, read_json, write_private

ROUNDS = 3
"""How often each count is timed, in turns; its best time counts."""

MANY = 8
"""Tokens of the longest decode that is timed."""

_FILE = "measured.json"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DecodeCost:
    """What a decode of several tokens takes, in units of one of a single token.

    The second token costs more than those after it where llama.cpp multiplies a single column of activations
    by another routine than several.
    """

    second: float = 0.2
    further: float = 0.2
    """Of each token after the second."""

    def of(self, tokens: int) -> float:
        """Return the cost of a decode of `tokens` tokens, each with its logits."""
        return 1 + (self.second if tokens > 1 else 0) + self.further * max(0, tokens - 2)


def candidates(cores: int) -> list[int]:
    """Return the counts to try: every core, one less (for the rest of the machine), half, a quarter."""
    return sorted({max(1, count) for count in (cores, cores - 1, (cores + 1) // 2, cores // 4)}, reverse=True)


def remembered_threads(model_sha256: str, measure: Callable[[int], None]) -> int:
    """Return the fastest count for a model on this machine. `measure(n)` computes a little with n threads."""
    cores = usable_cores()
    key = f"{cores} cores, {model_sha256[:16]}"
    if isinstance(count := _read().get(key), int) and 1 <= count <= cores:
        return count
    best = fastest(candidates(cores), measure)
    _remember(key, best)
    return best


def remembered_decode_cost(model_sha256: str, threads: int, decode: Callable[[int], None]) -> DecodeCost:
    """Return what decodes of a model take here; `decode(n)` decodes n tokens, each with its logits."""
    key = f"{threads} threads, {model_sha256[:16]}, decodes"
    match _read().get(key):
        case [int() | float() as second, int() | float() as further] if min(second, further) >= 0:
            return DecodeCost(float(second), float(further))
    one, two, many = best_seconds((1, 2, MANY), decode)
    second, further = max(0.0, two / one - 1), max(0.0, (many - two) / one / (MANY - 2))
    cost = DecodeCost(round(second, 3), round(further, 3))
    _remember(key, [cost.second, cost.further])
    return cost


def forget_measured() -> None:
    """Remove what was measured, so that the next run measures again."""
    try:
        (cache_folder() / _FILE).unlink(missing_ok=True)
    except OSError as error:
        _log.info("what was measured is not removed: %s", error)


def fastest(counts: list[int], measure: Callable[[int], None]) -> int:
    """Return the count with the shortest best time, after one untimed run."""
    return min(zip(best_seconds(counts, measure), counts, strict=True))[1]


def best_seconds(counts: Sequence[int], measure: Callable[[int], None]) -> list[float]:
    """Return the shortest of `ROUNDS` times of each count, which take turns, after one untimed run."""
    measure(counts[0])
    times = dict.fromkeys(counts, float("inf"))
    for _ in range(ROUNDS):
        for count in counts:
            started = perf_counter()
            measure(count)
            times[count] = min(times[count], perf_counter() - started)
    return list(times.values())


def _remember(key: str, value: object) -> None:
    try:
        write_private(cache_folder() / _FILE, json.dumps(_read() | {key: value}, indent=1) + "\n")
    except OSError as error:
        _log.info("what was measured is not remembered: %s", error)


def _read() -> dict[str, Any]:
    try:
        value = read_json(cache_folder() / _FILE)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
