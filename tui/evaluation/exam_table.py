"""The figures of the exam as lines of text, with a bar for each category."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from agent.evaluation.exam.report import Comparison, Figures, Share, compare, figures
from agent.evaluation.exam.running import TaskResult
from tui.text import one_line

BAR_WIDTH = 20
PRINTED_FAILURES = 20
PRINTED_IDS = 12
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_TOTALS = (
    ("tasks", "tasks, whole question right"),
    ("dialogues", "dialogues, every turn right"),
    ("turns", "turns of dialogues right"),
    ("no_tool", "no tool where none is needed"),
    ("refusals", "refused where no tool fits"),
)


def exam_table(
    results: Mapping[str, Sequence[TaskResult]], baselines: Mapping[str, Sequence[TaskResult]]
) -> Iterator[str]:
    """Yield a table for each bundle, the failures of its development half, and the comparisons."""
    without = {name: figures(done) for name, done in baselines.items()}
    first, *others = results
    for name, done in results.items():
        yield from _table(one_line(name), figures(done), without)
        yield from _failures(done)
        yield ""
    for other in others:
        yield from _comparison(one_line(first), one_line(other), compare(results[first], results[other]))
    yield "right in per cent, the 95 % bootstrap interval, and the best of these without a model:"
    yield "; ".join(f"{name} {100 * one.tasks.value:.1f}" for name, one in without.items())


def bar(value: float, width: int = BAR_WIDTH) -> str:
    """Return a share as a bar of block characters, `width` wide."""
    eighths = round(8 * width * value)
    full, rest = divmod(eighths, 8)
    return (_EIGHTHS[8] * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def _table(name: str, of: Figures, without: Mapping[str, Figures]) -> Iterator[str]:
    yield f"{name:30} {'cases':>5}  {'right':>5}  {'95 %':>11}  {'no model':>8}"
    for category, one in of.categories.items():
        best = max(figures.categories[category].value for figures in without.values())
        yield _line(category, one, best)
    yield ""
    for field, label in _TOTALS:
        best = max(getattr(figures, field).value for figures in without.values())
        yield _line(label, getattr(of, field), best)
    yield f"answers with a number from nowhere: {of.made_up.right} of {of.made_up.of}"
    yield f"median seconds a turn: {of.median_seconds:.2f}"


def _line(label: str, one: Share, best: float) -> str:
    interval = f"{100 * one.low:.1f}-{100 * one.high:.1f}"
    return (
        f"{label:30} {one.of:5}  {100 * one.value:5.1f}  {interval:>11}  {100 * best:8.1f}  {bar(one.value)}"
    ).rstrip()


def _failures(done: Sequence[TaskResult]) -> Iterator[str]:
    """Yield what went wrong; of the test half only how much, so that it stays unseen."""
    wrong = [result for result in done if not result.right]
    seen = [result for result in wrong if result.half == "development"]
    for result in seen[:PRINTED_FAILURES]:
        turn = next(turn for turn in result.turns if turn.problems)
        yield one_line(f"{result.id}: {turn.ask!r} -> {turn.outcome.answer!r}: {'; '.join(turn.problems)}")
    if more := len(seen[PRINTED_FAILURES:]):
        yield f"… and {more} more of the development half (all with --json)"
    if unseen := len(wrong) - len(seen):
        yield f"{unseen} wrong in the test half, which are not shown"


def _comparison(first: str, second: str, one: Comparison) -> Iterator[str]:
    yield (
        f"{second} against {first}, {one.of} tasks: {100 * one.difference:+.1f} points"
        f" ({100 * one.low:+.1f} to {100 * one.high:+.1f}),"
        f" {len(one.wins)} won, {len(one.losses)} lost"
    )
    for label, ids in (("won", one.wins), ("lost", one.losses)):
        if ids:
            rest = f" and {len(ids) - PRINTED_IDS} more" if len(ids) > PRINTED_IDS else ""
            yield f"  {label}: {', '.join(ids[:PRINTED_IDS])}{rest}"
