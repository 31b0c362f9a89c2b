"""The figures of a benchmark as lines of text: a row a figure, a column a model or baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from agent.evaluation.benchmarks.benchmark import Benchmark, Figure, Results
from tui.text import one_line

FAULTS = 8
"""Reasons for wrong cases that are printed; --json has all."""


def benchmark_table(
    benchmark: Benchmark, measured: Mapping[str, Results], baselines: Mapping[str, Results]
) -> Iterator[str]:
    """Yield the table, how it is judged, and why cases of each model are wrong."""
    columns = {one_line(name): results.figures() for name, results in measured.items()}
    without = {name: results.figures() for name, results in baselines.items()}
    labels = [label for label in benchmark.labels if any(label in of for of in without.values())]
    width = max(map(len, benchmark.labels))
    widths = [*(max(len(name), 19) for name in columns), *(max(len(name), 5) for name in without)]
    yield _row("", "n", [*columns, *without], width, widths)
    for label in labels:
        count = max(of[label].of for of in without.values() if label in of)
        cells = [_with_interval(of.get(label)) for of in columns.values()]
        cells += [_alone(of.get(label)) for of in without.values()]
        yield _row(label, f"{count:.0f}", cells, width, widths)
    yield "per cent, with the 95 % bootstrap interval; the last columns need no model"
    yield benchmark.note
    if benchmark.left_out:
        yield f"left out: {_counts(benchmark.left_out)}"
    for name, results in measured.items():
        done = len(results.outcomes)
        whole = done == len(benchmark.cases)
        yield f"{one_line(name)}, {f'{done} cases' if whole else f'only the first {done} cases'}" + (
            f", wrong: {_counts(results.faults())}" if results.faults() else ""
        )


def _row(label: str, count: str, cells: Sequence[str], width: int, widths: Sequence[int]) -> str:
    aligned = "  ".join(f"{cell:>{size}}" for cell, size in zip(cells, widths, strict=True))
    return f"{label:{width}}  {count:>6}  {aligned}"


def _with_interval(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    interval = f"{100 * figure.low:.1f}-{100 * figure.high:.1f}"
    return f"{100 * figure.value:.1f} ({interval})"


def _alone(figure: Figure | None) -> str:
    return "-" if figure is None else f"{100 * figure.value:.1f}"


def _counts(counts: Mapping[str, int]) -> str:
    shown = [f"{count} {reason}" for reason, count in list(counts.items())[:FAULTS]]
    return ", ".join(shown + ["…"] * (len(counts) > FAULTS))
