"""The figures of the exam as a picture; needs matplotlib, of the extra `train`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from agent.evaluation.exam.report import figures
from agent.evaluation.exam.running import TaskResult


def draw(
    path: Path, results: Mapping[str, Sequence[TaskResult]], baselines: Mapping[str, Sequence[TaskResult]]
) -> None:
    """Draw a bar with its interval for each category and bundle, and a mark for the best baseline.

    Raises OSError where `path` cannot be written, and ValueError for an ending that matplotlib does not know.
    """
    measured = {name: figures(done).categories for name, done in results.items()}
    without = [figures(done).categories for done in baselines.values()]
    names = list(next(iter(measured.values())))
    canvas = FigureCanvasAgg(Figure(figsize=(8, 1.5 + 0.35 * len(names) * len(measured)), layout="tight"))
    axes = canvas.figure.add_subplot()
    height = 0.8 / len(measured)
    for index, (bundle, categories) in enumerate(measured.items()):
        shares = [categories[name] for name in names if name in categories]
        shift = (index - (len(measured) - 1) / 2) * height
        at = [row + shift for row, name in enumerate(names) if name in categories]
        values = [100 * one.value for one in shares]
        errors = (
            [100 * max(0.0, one.value - one.low) for one in shares],
            [100 * max(0.0, one.high - one.value) for one in shares],
        )
        axes.barh(at, values, height, xerr=errors, label=bundle, error_kw={"elinewidth": 0.8})
    best = [100 * max(categories[name].value for categories in without) for name in names]
    axes.plot(best, range(len(names)), "k|", markersize=9, label="best without a model")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("right, per cent (95 % bootstrap interval)")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize="small")
    canvas.print_figure(path)
