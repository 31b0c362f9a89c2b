"""The figures of an exam run by category, with bootstrap intervals, and the paired comparison of two runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from agent.evaluation.bootstrap import bootstrap_interval
from agent.evaluation.exam.running import TaskResult


@dataclass(frozen=True)
class Share:
    """`right` of `of` cases, and the bootstrap interval of that share."""

    right: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share; 0 where there is no case."""
        return self.right / self.of if self.of else 0.0


@dataclass(frozen=True)
class Figures:
    """The figures of a run: whole tasks and dialogues by category, and behaviours over all of them."""

    categories: Mapping[str, Share]
    """Category -> tasks with every turn right."""
    tasks: Share
    """Tasks of one exchange."""
    dialogues: Share
    """Dialogues with every turn right."""
    turns: Share
    """Single turns of dialogues."""
    no_tool: Share
    """Of the tasks that need no tool: those answered without a call, whether right or wrong."""
    refusals: Share
    """Of the tasks that no tool can do: those given up without a call, whatever the stated reason."""
    made_up: Share
    """Of the answers after observations: those with a number from no question or observation (`right`)."""
    median_seconds: float
    """Median time of a turn."""

    def to_json(self) -> dict[str, Any]:
        """Return the figures as a JSON object."""
        return asdict(self)


@dataclass(frozen=True)
class Comparison:
    """A second run compared with a first, over the tasks that both ran."""

    difference: float
    """Share of right tasks in the second run less that in the first."""
    low: float
    high: float
    """The paired bootstrap interval of the difference."""
    wins: tuple[str, ...]
    """Ids of tasks that only the second run has right."""
    losses: tuple[str, ...]
    """Ids of tasks that only the first run has right."""
    of: int
    """Tasks compared."""


def share(outcomes: Iterable[bool]) -> Share:
    """Return the share of true values, with the bootstrap interval over cases."""
    values = list(outcomes)
    low, high = bootstrap_interval([float(value) for value in values])
    return Share(sum(values), len(values), low, high)


def figures(results: Sequence[TaskResult]) -> Figures:
    """Return the figures of a run, which may be incomplete."""

    def of(chosen: Callable[[TaskResult], bool]) -> Share:
        return share(result.right for result in results if chosen(result))

    names = dict.fromkeys(result.category for result in sorted(results, key=lambda r: (r.kind, r.category)))
    turns = [turn for result in results for turn in result.turns]
    return Figures(
        categories={name: of(lambda result, name=name: result.category == name) for name in names},
        tasks=of(lambda result: result.kind != "dialogue"),
        dialogues=of(lambda result: result.kind == "dialogue"),
        turns=share(not turn.problems for r in results if r.kind == "dialogue" for turn in r.turns),
        no_tool=share(_is_restrained(result) for result in results if result.kind == "no tool"),
        refusals=share(_is_restrained(result) for result in results if result.kind == "refusal"),
        made_up=share(turn.made_up for turn in turns if turn.outcome.observations),
        median_seconds=median(turn.seconds for turn in turns) if turns else 0.0,
    )


def _is_restrained(result: TaskResult) -> bool:
    """Return whether a task without a tool was answered or given up as it should be, without a call."""
    wanted = "gave_up" if result.kind == "refusal" else "answered"
    return all(turn.outcome.reason == wanted and not turn.outcome.calls for turn in result.turns)


def compare(first: Sequence[TaskResult], second: Sequence[TaskResult]) -> Comparison:
    """Return the paired comparison of two runs of the same tasks."""
    right = {result.id: result.right for result in second}
    pairs = [(result.id, result.right, right[result.id]) for result in first if result.id in right]
    differences = [float(after) - float(before) for _, before, after in pairs]
    low, high = bootstrap_interval(differences)
    return Comparison(
        difference=sum(differences) / len(differences) if differences else 0.0,
        low=low,
        high=high,
        wins=tuple(name for name, before, after in pairs if after and not before),
        losses=tuple(name for name, before, after in pairs if before and not after),
        of=len(pairs),
    )
