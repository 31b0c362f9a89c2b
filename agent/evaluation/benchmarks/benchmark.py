"""Cases of a benchmark, and the figures that the steps taken on them score.

A case is a history and the judge of the step that follows. The same judge scores models and baselines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from agent.evaluation.benchmarks.step import Step
from agent.evaluation.bootstrap import bootstrap_interval
from agent.transcript import Role, Transcript

Points = tuple[float, float]
"""(points of a case, the most that it could have got)."""
TakeStep = Callable[["Case"], Step | None]
"""Returns the step that a model or a baseline takes in a case; None if it was cancelled."""


@dataclass(frozen=True)
class Outcome:
    """The score of a step: points by label of a figure, and why it is wrong (empty if it is right)."""

    points: Mapping[str, Points]
    fault: str = ""


@dataclass(frozen=True)
class Case:
    """A history and the judge of the step that follows."""

    id: str
    history: Transcript
    judge: Callable[[Step], Outcome]
    cluster: str
    """Cases of one cluster (the steps of a conversation) are resampled together."""


@dataclass(frozen=True)
class Benchmark:
    """The cases, how they are run, and what was left out of the data."""

    name: str
    cases: Sequence[Case]
    labels: Sequence[str]
    """The labels of the figures, in the order of a table; some may have no case."""
    left_out: Mapping[str, int]
    """Reason -> questions that cannot be judged."""
    roles: frozenset[Role]
    """The roles that run after the planner."""
    baselines: Mapping[str, Callable[[Case], Step]]
    note: str
    """How the cases are judged, in one line."""


@dataclass(frozen=True)
class Figure:
    """`points` out of a possible `of`, and the 95 % bootstrap interval of their ratio."""

    points: float
    of: float
    low: float
    high: float

    @property
    def value(self) -> float:
        """The ratio; 0 where there is no case."""
        return self.points / self.of if self.of else 0.0


@dataclass
class Results:
    """The outcomes of one model or baseline so far."""

    outcomes: list[tuple[Case, Outcome]] = field(default_factory=list)

    def figures(self) -> dict[str, Figure]:
        """Return the figures by label."""
        clusters: dict[str, dict[str, Points]] = {}
        for case, outcome in self.outcomes:
            for label, (points, of) in outcome.points.items():
                of_label = clusters.setdefault(label, {})
                before = of_label.get(case.cluster, (0.0, 0.0))
                of_label[case.cluster] = before[0] + points, before[1] + of
        return {label: _figure(list(of_label.values())) for label, of_label in clusters.items()}

    def faults(self) -> dict[str, int]:
        """Return how many cases are wrong for each reason, the commonest first."""
        return dict(Counter(o.fault for _, o in self.outcomes if o.fault).most_common())

    def to_json(self) -> dict[str, Any]:
        """Return the figures, why cases are wrong, and what is wrong with which, as a JSON object."""
        figures = {label: {"value": one.value, **asdict(one)} for label, one in self.figures().items()}
        wrong = {case.id: outcome.fault for case, outcome in self.outcomes if outcome.fault}
        return {"cases": len(self.outcomes), "figures": figures, "faults": self.faults(), "wrong": wrong}


def run(cases: Iterable[Case], take: TakeStep) -> Iterator[tuple[Case, Outcome]]:
    """Yield each case with the outcome of the step that `take` makes; stops where it was cancelled."""
    for case in cases:
        step = take(case)
        if step is None:
            return
        outcome = case.judge(step)
        yield case, Outcome(outcome.points, step.obstacle or outcome.fault)


def _figure(points: Sequence[Points]) -> Figure:
    above, below = [a for a, _ in points], [b for _, b in points]
    return Figure(sum(above), sum(below), *bootstrap_interval(above, below))
