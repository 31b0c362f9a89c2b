"""`umi eval tasks`: run the exam on one or several bundles, with progress, and print or plot the figures."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from agent.bundle import Bundle
from agent.errors import InputError, cannot_write
from agent.evaluation.exam.baselines import BASELINES
from agent.evaluation.exam.reading import read_exam
from agent.evaluation.exam.report import compare, figures
from agent.evaluation.exam.running import AgentRespondent, TaskResult, run_exam
from agent.evaluation.exam.schema import HALVES, Half, Task
from agent.setup import open_engine
from tui.cli.models.build import open_models
from tui.cli.terminal.interrupts import INTERRUPTED, Interrupts
from tui.cli.terminal.progress import say
from tui.evaluation.exam_table import exam_table
from tui.text import one_line

Results = Mapping[str, Sequence[TaskResult]]
"""Name of a bundle, or of a baseline -> its results."""
_EVERY = 50
"""Tasks between two lines of progress where stderr is not a terminal."""


def evaluate_tasks(
    halves: Sequence[Half],
    models: Sequence[str | None],
    *,
    categories: Sequence[str] = (),
    as_json: bool = False,
    plot: Path | None = None,
) -> int:
    """Run the exam on each bundle and print its figures; return the exit code.

    After Ctrl-C, what was measured is printed. Raises InputError for a category or bundle that does not
    exist.
    """
    tasks = _chosen(read_exam(halves), categories)
    results: dict[str, list[TaskResult]] = {}
    with Interrupts() as interrupts:
        cancelled = interrupts.cancelled.is_set
        for name in models:
            bundle = open_models(name)
            shown = name or bundle.name
            results[shown] = _measure(shown, bundle, tasks, cancelled)
            if cancelled():
                break
    done = {result.id for result in next(iter(results.values()))}
    measured = [task for task in tasks if task.id in done]
    baselines = {name: list(run_exam(measured, answer)) for name, answer in BASELINES.items()}
    if as_json:
        print(json.dumps(exam_json(results, baselines), ensure_ascii=False))
    else:
        print("\n".join(exam_table(results, baselines)))
    if plot:
        _plot(plot, results, baselines)
    return INTERRUPTED if cancelled() else 0


def exam_json(results: Results, baselines: Results) -> dict[str, object]:
    """Return the figures of bundles and baselines, the tasks one by one, and what the bundles differ in."""
    first, *others = results
    return {
        "models": {
            name: figures(done).to_json() | {"results": [result.to_json() for result in done]}
            for name, done in results.items()
        },
        "baselines": {name: figures(done).to_json() for name, done in baselines.items()},
        "comparisons": [
            {"first": first, "second": other} | vars(compare(results[first], results[other]))
            for other in others
        ],
    }


def parse_half(text: str) -> tuple[Half, ...]:
    """Return the halves that `dev`, `test` or `both` names. Raises InputError for anything else."""
    halves: dict[str, tuple[Half, ...]] = {"dev": HALVES[:1], "test": HALVES[1:], "both": HALVES}
    if text not in halves:
        raise InputError(f"the exam has no half {text!r}", f"choose one of {', '.join(halves)}")
    return halves[text]


def _chosen(tasks: list[Task], categories: Sequence[str]) -> list[Task]:
    known = sorted({task.category for task in tasks})
    for name in categories:
        if name not in known:
            raise InputError(f"the exam has no category {name!r}", f"choose among {', '.join(known)}")
    return [task for task in tasks if not categories or task.category in categories]


def _measure(
    name: str, bundle: Bundle, tasks: Sequence[Task], cancelled: Callable[[], bool]
) -> list[TaskResult]:
    """Return the results of a bundle, with progress on stderr."""
    results: list[TaskResult] = []
    right = 0
    live = sys.stderr.isatty()
    engine = open_engine(bundle)
    try:
        for result in run_exam(tasks, lambda toolbox: AgentRespondent(engine, toolbox, cancelled), cancelled):
            results.append(result)
            right += result.right
            line = f"{one_line(name)}: {len(results)} of {len(tasks)} tasks, {right} right"
            if live:
                print(f"\r{line}", end="", file=sys.stderr, flush=True)
            elif len(results) % _EVERY == 0:
                say(line)
    finally:
        engine.close()
        if live:
            print(file=sys.stderr)
    return results


def _plot(path: Path, results: Results, baselines: Results) -> None:
    try:
        from tui.evaluation.exam_plot import draw
    except ModuleNotFoundError:
        say("no plot: matplotlib is not installed; pip install 'umi-agent[train]'")
        return
    try:
        draw(path, results, baselines)
    except OSError as error:
        raise cannot_write(path, error) from None
    except ValueError as error:
        raise InputError(f"{path} cannot be drawn: {error}", "name a file that ends in .png") from None
    say(f"drawn: {one_line(str(path))}")
