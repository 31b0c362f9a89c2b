"""`umi eval bfcl`, `toolalpaca` and `paper`: run a benchmark on bundles and print its figures."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic

from agent.engine import Engine
from agent.errors import EngineError
from agent.evaluation.benchmarks.benchmark import Benchmark, Case, Results, run
from agent.evaluation.benchmarks.step import Step, take_step
from agent.setup import open_engine
from tui.cli.models.build import open_models
from tui.cli.terminal.interrupts import INTERRUPTED, Interrupts
from tui.cli.terminal.progress import say
from tui.evaluation.benchmark_table import benchmark_table
from tui.text import one_line

EVERY = 50
EVERY_S = 60.0
"""Cases or seconds between two lines of progress where stderr is not a terminal."""


def evaluate_benchmark(benchmark: Benchmark, models: Sequence[str], *, as_json: bool) -> int:
    """Run `benchmark` on each bundle and print its figures, progress on stderr; return the exit code.

    No names stand for the bundle in use. After Ctrl-C, and before an EngineError is raised, what was measured
    is printed. Raises InputError for a bundle that does not exist, before anything is measured.
    """
    bundles = {name or bundle.name: bundle for name in models or [None] for bundle in [open_models(name)]}
    measured: dict[str, Results] = {}
    failure: EngineError | None = None
    with Interrupts() as interrupts:
        cancelled = interrupts.cancelled.is_set
        for name, bundle in bundles.items():
            measured[name] = Results()
            engine = open_engine(bundle, keep_states=False)
            try:
                _run(name, benchmark, engine, cancelled, measured[name])
            except EngineError as error:
                failure = error
            finally:
                engine.close()
            if failure or cancelled():
                break
        stopped = bool(failure) or cancelled()
    done = benchmark.cases[: max(len(results.outcomes) for results in measured.values())]
    baselines = {name: Results(list(run(done, take))) for name, take in benchmark.baselines.items()}
    if as_json:
        print(json.dumps(benchmark_json(benchmark, measured, baselines, stopped), ensure_ascii=False))
    else:
        print("\n".join(benchmark_table(benchmark, measured, baselines)))
    if failure:
        raise failure
    return INTERRUPTED if stopped else 0


def benchmark_json(
    benchmark: Benchmark, measured: dict[str, Results], baselines: dict[str, Results], stopped: bool
) -> dict[str, object]:
    """Return the figures of all models and baselines as a JSON object."""
    return {
        "benchmark": benchmark.name,
        "judged": benchmark.note,
        "cases": len(benchmark.cases),
        "left_out": dict(benchmark.left_out),
        "stopped": stopped,
        "models": {name: results.to_json() for name, results in measured.items()},
        "baselines": {name: {"figures": results.to_json()["figures"]} for name, results in baselines.items()},
    }


def _run(
    name: str, benchmark: Benchmark, engine: Engine, cancelled: Callable[[], bool], results: Results
) -> None:
    """Put the outcomes of one bundle into `results`, with a line of progress on stderr."""
    live, right, total = sys.stderr.isatty(), 0, len(benchmark.cases)
    said_at = monotonic()
    for case, outcome in run(
        benchmark.cases, partial(_take, engine=engine, benchmark=benchmark, cancelled=cancelled)
    ):
        results.outcomes.append((case, outcome))
        right += not outcome.fault
        done = len(results.outcomes)
        line = f"{one_line(name)}: {done} of {total}, {right} right"
        if live:
            print(f"\r{line}", end="", file=sys.stderr, flush=True)
        elif done < total and (done % EVERY == 0 or monotonic() - said_at > EVERY_S):
            said_at = monotonic()
            say(line)
    if live:
        print(file=sys.stderr)
    if len(results.outcomes) < total:
        say(f"{one_line(name)}: stopped after {len(results.outcomes)} of {total}")


def _take(case: Case, *, engine: Engine, benchmark: Benchmark, cancelled: Callable[[], bool]) -> Step | None:
    return take_step(engine, case.history, benchmark.roles, cancelled)
