"""Run the trace on one system and measure tokens, seconds and memory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from agent.evaluation.trace import SECOND_QUESTION, TRACE, TraceTurn, generated_turns
from agent.events import Usage
from agent.transcript import Role, Transcript
from tui.bench.systems import System

SECOND = TraceTurn("planner", Transcript(TRACE.tools, (SECOND_QUESTION,)), "I count the days.\nNext: caller")
"""The planner's first turn for a second question in the same process."""


def measure(load: Callable[[], System], roles: tuple[Role, ...]) -> dict[str, Any]:
    """Load a system, let its `roles` write the trace and begin a second question; return the figures.

    The clock starts before the models are loaded and after everything was imported.
    """
    first_tokens: list[float] = []
    used: dict[Role, Usage] = {}
    started = perf_counter()
    system = load()
    loaded = perf_counter()
    try:
        for turn in generated_turns(TRACE):
            if turn.role in roles:
                usage = system.write(turn, lambda: first_tokens.append(perf_counter()))
                used[turn.role] = used.get(turn.role, Usage()) + usage
        ended, resident = perf_counter(), resident_mb()
        first = first_tokens[0]
        first_tokens.clear()
        restarted = perf_counter()
        system.write(SECOND, lambda: first_tokens.append(perf_counter()))
    finally:
        system.close()
    return {
        "prompt_tokens": sum(usage.prompt_evaluated for usage in used.values()),
        "seconds": round(ended - started, 3),
        "first_token_seconds": round(first - started, 3),
        "resident_mb": resident,
        "load_seconds": round(loaded - started, 3),
        "warm_first_token_seconds": round(first_tokens[0] - restarted, 3),
        "roles": {
            role: {
                "evaluated": usage.prompt_evaluated,
                "reused": usage.prompt_reused,
                "generated": usage.generated,
                "read_seconds": round(usage.read_seconds, 3),
                "write_seconds": round(usage.write_seconds, 3),
            }
            for role, usage in used.items()
        },
    }


def resident_mb() -> float | None:
    """Return the resident memory of this process in megabytes, or its peak where only that is known.

    None where neither is.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return round(int(line.split()[1]) * 1024 / 1e6, 1)
    except (OSError, StopIteration, ValueError):
        pass
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:
        return None
    peak = getrusage(RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6, 1)
