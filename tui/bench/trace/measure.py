"""Run the trace on one system and measure tokens, seconds and memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import perf_counter
from typing import Any

from agent.evaluation.trace import SECOND_QUESTION, TRACE, TraceTurn, generated_turns
from agent.events import Usage
from agent.transcript import ROLES, Role, Transcript
from tui.bench.systems.system import System
from tui.bench.trace.process import processor_seconds, resident_mb

SECOND = TraceTurn("planner", Transcript(TRACE.tools, (SECOND_QUESTION,)), "I count the days.\nNext: caller")
"""The planner's first turn for a second question in the same process."""


def measure(
    load: Callable[[], System], roles: tuple[Role, ...] = ROLES, pid: int | None = None
) -> dict[str, Any]:
    """Load a system, let its `roles` write the trace and begin a second question; return the figures.

    The clock starts before the models are loaded and after everything was imported. `pid` is the process that
    will hold them, this one by default.
    """
    pid = os.getpid() if pid is None else pid
    first_tokens: list[float] = []
    used: dict[Role, Usage] = {}
    processor_before = processor_seconds(pid)
    started = perf_counter()
    system = load()
    loaded = perf_counter()
    try:
        for turn in generated_turns(TRACE):
            if turn.role in roles:
                usage = system.write(turn, lambda: first_tokens.append(perf_counter()))
                used[turn.role] = used.get(turn.role, Usage()) + usage
        ended, resident, processor = perf_counter(), resident_mb(pid), processor_seconds(pid)
        first = first_tokens[0]
        first_tokens.clear()
        restarted = perf_counter()
        system.write(SECOND, lambda: first_tokens.append(perf_counter()))
    finally:
        system.close()
    return {
        "prompt_tokens": sum(usage.prompt_evaluated for usage in used.values()),
        "seconds": round(ended - started, 3),
        "processor_seconds": (
            None if processor is None or processor_before is None else round(processor - processor_before, 3)
        ),
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
                "drafted": usage.drafted,
                "accepted": usage.accepted,
            }
            for role, usage in used.items()
        },
    }
