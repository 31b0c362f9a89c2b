"""From the start of a process to the first token of the models that umi ships.

Run as a program, it takes the way of `umi ask` up to the planner's first token, and prints a line then.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from statistics import median
from time import perf_counter
from typing import Any

from agent.errors import EngineError

ROUNDS = 7
QUESTION = "What is 12 * 7?"


def start_figures(environment: Mapping[str, str]) -> dict[str, Any]:
    """Seconds to the first token with the tools' state on disk, and how many times as long as the import of
    llama_cpp; fresh processes that take turns, and the median of each. Raises EngineError where one fails."""
    ours = [sys.executable, "-m", "tui.bench.start"]
    only_import = [sys.executable, "-c", "import llama_cpp; print()"]
    _first_line(ours, environment)  # leaves the state on disk
    spans: dict[str, list[float]] = {"first token": [], "import": []}
    for _ in range(ROUNDS):
        spans["import"].append(_first_line(only_import, environment))
        spans["first token"].append(_first_line(ours, environment))
    token, imported = median(spans["first token"]), median(spans["import"])
    return {
        "start_ratio": round(token / imported, 3),
        "start_seconds": round(token, 3),
        "import_seconds": round(imported, 3),
    }


def _first_line(command: list[str], environment: Mapping[str, str]) -> float:
    """Seconds until a new process prints its first line."""
    started = perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(environment)
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = perf_counter() - started
        _, complaint = process.communicate()
    if process.returncode or not line:
        raise EngineError(f"the shipped models did not start: {complaint.strip()[-300:]}", "see: umi doctor")
    return seconds


def main() -> int:
    """Print an empty line at the planner's first token."""
    from tui.cli.tree import run  # what `umi` imports before it runs a command

    assert run
    from agent.engine import Delta
    from agent.paths import SHIPPED
    from agent.transcript import UserTurn
    from tui.setup import Options, open_agent

    opened = open_agent(Options(models=str(SHIPPED)))
    transcript = opened.agent.begin().transcript.plus(UserTurn(QUESTION))
    for piece in opened.agent.engine.generate("planner", transcript, cancelled=lambda: False):
        if isinstance(piece, Delta):
            print(flush=True)
            break
    opened.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
